import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { me } from '../../dev/fixtures.ts';
import { Login } from '../shell/login';
import { Page } from '../shell/page';
import { hub, refuse } from '../test-hub';
import MustEnrol from './enrol';
import Account from './page';
import { Proof } from './proof';
import { call, post } from '../fhir/client';

beforeEach(() => { localStorage.clear(); history.replaceState(null, '', '/'); });

describe('a login with a second step', () => {
  const second = { second: { ways: ['totp', 'recovery'], passkeys: false } };
  it('asks for the code and goes in with it', async () => {
    const { asked } = hub(<Login />, { say: { 'POST /api/login': second, 'POST /api/login/second': me } });
    await userEvent.type(screen.getByLabelText('账号'), 'guanli');
    await userEvent.type(screen.getByLabelText('密码'), 'Xinglin-demo-1{Enter}');
    await userEvent.type(await screen.findByLabelText('验证码'), '123 456{Enter}');
    await waitFor(() => expect(asked.find((a) => a.path === '/api/login/second')?.body).toEqual({ code: '123 456' }));
  });
  it('says why a code is refused', async () => {
    hub(<Login />, { say: { 'POST /api/login': second, 'POST /api/login/second': refuse(401, 'wrong-code', '验证码不正确、已过期或已用过') } });
    await userEvent.type(screen.getByLabelText('账号'), 'guanli');
    await userEvent.type(screen.getByLabelText('密码'), 'Xinglin-demo-1{Enter}');
    await userEvent.type(await screen.findByLabelText('验证码'), '000000{Enter}');
    expect(await screen.findByText('验证码不正确、已过期或已用过')).toBeInTheDocument();
  });
  it('begins anew when it took too long', async () => {
    hub(<Login />, { say: { 'POST /api/login': second, 'POST /api/login/second': refuse(401, 'login-expired', '登录已超时，请重新登录') } });
    await userEvent.type(screen.getByLabelText('账号'), 'guanli');
    await userEvent.type(screen.getByLabelText('密码'), 'Xinglin-demo-1{Enter}');
    await userEvent.type(await screen.findByLabelText('验证码'), '000000{Enter}');
    expect(await screen.findByText('登录已超时，请重新登录')).toBeInTheDocument();
    expect(screen.getByLabelText('账号')).toBeInTheDocument();
  });
  it('goes on after the way back from a hospital', async () => {
    hub(<Login />, { say: { 'GET /api/login': { hospitals: [], passkeys: false, ...second } } });
    expect(await screen.findByLabelText('验证码')).toBeInTheDocument();
  });
});

describe('a hospital login', () => {
  it('has a button that leads there and back to this place', async () => {
    history.replaceState(null, '', '/lines/referral');
    hub(<Login />);
    const button = await screen.findByRole('link', { name: '青溪县总医院统一登录' });
    expect(button).toHaveAttribute('href', '/api/login/with/county?to=%2Flines%2Freferral');
  });
  it('says in words that somebody is not known here, and cleans the address', async () => {
    history.replaceState(null, '', '/?login=not-known-here');
    hub(<Login />);
    expect(await screen.findByText(/没有与您工号对应的账号/)).toBeInTheDocument();
    expect(location.search).toBe('');
  });
  it('draws nothing of an unknown code', async () => {
    history.replaceState(null, '', '/?login=%3Cb%3Ex');
    hub(<Login />);
    expect(await screen.findByText('登录没有成功，请重试。')).toBeInTheDocument();
  });
});

it('whoever must enrol sees nothing but that', async () => {
  hub(<Page />, { say: { 'GET /api/me': { ...me, user: { ...me.user, mustEnrol: true } }, 'GET /api/me/factors': { factors: [], recovery: 0, needed: true, passkeys: false, proved: true, strong: false } } });
  expect(await screen.findByRole('heading', { name: '请先添加第二重验证' }, { timeout: 5000 })).toBeInTheDocument();
  expect(screen.queryByRole('navigation')).not.toBeInTheDocument();
});

it('an authenticator is drawn, confirmed, and its recovery codes shown once', async () => {
  const { asked } = hub(<MustEnrol me={me} />, { say: {
    'GET /api/me/factors': { factors: [], recovery: 0, needed: true, passkeys: false, proved: true, strong: false },
    'POST /api/me/factors/totp': { id: 'f9', secret: 'JBSWY3DPEHPK3PXP', uri: 'otpauth://totp/x', size: 21, path: 'M0 0h1v1h-1z' },
    'POST /api/me/factors/totp/confirm': { recovery: ['abcd-efgh-jkmn-pqrs'] },
  } });
  await userEvent.click(await screen.findByRole('button', { name: '添加手机验证器' }));
  expect(await screen.findByRole('img', { name: '供验证器扫描的二维码' })).toBeInTheDocument();
  await userEvent.type(screen.getByLabelText('6 位验证码'), '12a{Enter}');
  expect(await screen.findByText('请输入 6 位数字。')).toBeInTheDocument();
  await userEvent.clear(screen.getByLabelText('6 位验证码'));
  await userEvent.type(screen.getByLabelText('6 位验证码'), '123456{Enter}');
  expect(await screen.findByText('abcd-efgh-jkmn-pqrs')).toBeInTheDocument();
  expect(asked.find((a) => a.path.endsWith('/confirm'))?.body).toEqual({ id: 'f9', name: '手机', code: '123456' });
});

describe('the account page', () => {
  it('shows factors, logins and rules', async () => {
    hub(<Account />);
    expect(await screen.findByRole('row', { name: /手机验证器 手机/ })).toBeInTheDocument();
    expect(await screen.findByRole('row', { name: /微信 · Android 203\.0\.113\.9 医院统一登录/ })).toBeInTheDocument();
    expect(await screen.findByText('密码至少 10 个字符。')).toBeInTheDocument();
    expect(within(screen.getByRole('row', { name: /Chrome 109/ })).queryByRole('button')).not.toBeInTheDocument();
  });
  it('ends another login', async () => {
    const { asked } = hub(<Account />);
    await userEvent.click(await screen.findByRole('button', { name: '结束' }));
    await waitFor(() => expect(asked.some((a) => a.method === 'DELETE' && a.path === '/api/me/sessions/s2')).toBe(true));
  });
  it('tells of a new device', async () => {
    hub(<Account />, { say: { 'GET /api/me/sessions': { sessions: [], strangers: [{ at: new Date().toISOString(), remote: '203.0.113.9', agent: 'Firefox' }] } } });
    expect(await screen.findByText('有新设备登录了您的账号')).toBeInTheDocument();
  });
  it('says what went wrong', async () => {
    hub(<Account />, { say: { 'GET /api/me/factors': refuse(500, 'internal', '') } });
    expect((await screen.findAllByRole('alert')).length).toBeGreaterThan(0);
  });
});

it('a sensitive act asks who it is and then goes on by itself', async () => {
  let proved = false;
  const { asked } = hub(<Proof />, { say: { 'POST /api/step-up': {} } });
  const real = globalThis.fetch;
  vi.stubGlobal('fetch', vi.fn(async (input: string, init?: RequestInit) => {
    if (input === '/api/admin/x' && !proved) return new Response(JSON.stringify(refuse(403, 'step-up-required', '需要再次验证')), { status: 403 });
    if (input === '/api/step-up') proved = true;
    return real(input, init);
  }));
  const act = post('/api/admin/x', { a: 1 });
  await userEvent.type(await screen.findByLabelText('6 位验证码或恢复码'), '123456{Enter}');
  await expect(act).resolves.toBeDefined();
  expect(asked.filter((a) => a.path === '/api/admin/x')).toHaveLength(1);
  proved = false;
  const left = expect(call('/api/admin/x', { method: 'POST', body: {} })).rejects.toThrow('需要再次验证');
  await userEvent.click(await screen.findByRole('button', { name: /close/i }));
  await left;
});
