import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, expect, it, vi } from 'vitest';
import { me } from '../../dev/fixtures.ts';
import AdminApps from '../admin/apps';
import { hub, refuse } from '../test-hub';
import Consent from './consent';
import { Launcher } from './launcher';
import { leave, openApp } from './leave';
import MyApps from './mine';
import { scopeSays } from './scopes';

vi.mock('./leave', () => ({ leave: vi.fn(), openApp: vi.fn() }));
afterEach(() => void vi.clearAllMocks());

const org = { reference: '', display: '' };
const question = {
  to: 'growth.example', app: { id: 'app-1', name: '生长曲线', org }, scopes: ['openid', 'launch/patient', 'patient/Observation.rs', 'patient/Condition.read'], beyond: ['user/*.cruds'],
  launched: false, needPatient: true, remembered: false,
};
const found = [{ reference: 'Patient/p1', name: '张三', sex: 'male', age: 70, idMasked: '99****1234' }];

it('consent says who asks for what, and nothing goes before a patient is picked', async () => {
  const { asked } = hub(<Consent me={me} />, {
    path: '/consent?client_id=app-1&state=x', say: { 'POST /api/consent': question, 'GET /api/patients': found, 'POST /api/consent/decide': { location: 'https://growth.example/back?code=c' } },
  });
  const user = userEvent.setup();
  expect(await screen.findByRole('heading', { name: '“生长曲线”请求代表您使用本系统' })).toBeInTheDocument();
  expect(screen.getByText(/允许后将转到 growth\.example/)).toBeInTheDocument();
  expect(screen.getByText(/user\/\*\.cruds/)).toBeInTheDocument();
  expect(screen.getByRole('button', { name: '请先选择患者' })).toBeDisabled();
  await user.click(screen.getByRole('checkbox', { name: /查看该患者的诊断/ }));
  await user.type(screen.getByRole('combobox'), '张');
  await user.click(await screen.findByRole('option', { name: /张三/ }));
  await user.click(screen.getByRole('button', { name: '允许' }));
  await waitFor(() => expect(leave).toHaveBeenCalledWith('https://growth.example/back?code=c'));
  expect(asked.find((a) => a.path === '/api/consent/decide')?.body).toEqual({
    query: 'client_id=app-1&state=x', allow: true, scopes: ['openid', 'launch/patient', 'patient/Observation.rs'], patient: 'Patient/p1',
  });
});

it('no goes back to the app', async () => {
  const { asked } = hub(<Consent me={me} />, { path: '/consent?x=1', say: { 'POST /api/consent': question, 'POST /api/consent/decide': { location: 'https://growth.example/back?error=access_denied' } } });
  await userEvent.setup().click(await screen.findByRole('button', { name: '拒绝' }));
  await waitFor(() => expect(leave).toHaveBeenCalledWith('https://growth.example/back?error=access_denied'));
  expect(asked.find((a) => a.path === '/api/consent/decide')?.body).toMatchObject({ allow: false });
});

it('what was let in before is not asked again from the page', async () => {
  const { asked } = hub(<Consent me={me} />, {
    path: '/consent?x=1', say: { 'POST /api/consent': { ...question, launched: true, needPatient: false, patient: 'Patient/p1', remembered: true }, 'POST /api/consent/decide': { location: 'https://growth.example/back?code=d' } },
  });
  await waitFor(() => expect(leave).toHaveBeenCalledTimes(1));
  expect(asked.filter((a) => a.path === '/api/consent/decide')).toHaveLength(1);
});

it('an address that is not registered is a warning and leads nowhere', async () => {
  const { asked } = hub(<Consent me={me} />, { path: '/consent?problem=redirect-mismatch' });
  expect(await screen.findByText(/请勿继续/)).toBeInTheDocument();
  expect(asked).toEqual([]);
  expect(leave).not.toHaveBeenCalled();
});

it('a launch that is over says so', async () => {
  hub(<Consent me={me} />, { path: '/consent?x=1', say: { 'POST /api/consent': refuse(400, 'bad-launch', '本次启动已失效或不属于您，请从患者页面重新启动应用') } });
  expect(await screen.findByText(/请从患者页面重新启动应用/)).toBeInTheDocument();
});

it('the patient page starts an app in a window of its own', async () => {
  const { asked } = hub(<Launcher patient="Patient/p1" />, { say: { 'GET /api/apps': { apps: [{ id: 'app-1', name: '生长曲线', org }] }, 'POST /api/apps/:id/launch': { url: 'https://growth.example/launch?launch=t' } } });
  const user = userEvent.setup();
  await user.click(await screen.findByRole('button', { name: /应用/ }));
  await user.click(await screen.findByText('生长曲线'));
  await waitFor(() => expect(openApp).toHaveBeenCalledWith('https://growth.example/launch?launch=t'));
  expect(asked.find((a) => a.method === 'POST')?.body).toEqual({ patient: 'Patient/p1' });
});

it('an app is taken back', async () => {
  const one = { id: 'app-1', name: '生长曲线', org, scopes: ['patient/*.rs'], since: '2026-11-20T01:00:00Z', used: '2026-11-21T01:00:00Z', disabled: false };
  const { asked } = hub(<MyApps />, { say: { 'GET /api/me/apps': { apps: [one] } } });
  const user = userEvent.setup();
  expect(await screen.findByText('查看该患者的全部资料')).toBeInTheDocument();
  await user.click(screen.getByRole('button', { name: '收回' }));
  await user.click(within(await screen.findByRole('dialog')).getByRole('button', { name: '收回' }));
  await waitFor(() => expect(asked.some((a) => a.method === 'DELETE' && a.path === '/api/me/apps/app-1')).toBe(true));
});

it('my apps: empty, and an error', async () => {
  const { unmount } = hub(<MyApps />, { say: { 'GET /api/me/apps': { apps: [] } } });
  expect(await screen.findByText('您还没有授权任何应用')).toBeInTheDocument();
  unmount();
  hub(<MyApps />, { say: { 'GET /api/me/apps': refuse(500, 'internal', '系统内部错误') } });
  expect(await screen.findByText(/系统内部错误/)).toBeInTheDocument();
});

it('an administrator registers an app and sees its secret once', async () => {
  const made = { id: 'app-2', name: '服务', org, kind: 'secret', redirects: ['https://a.example/b'], scopes: ['openid'], disabled: false, created: '2026-11-20T01:00:00Z', secret: 'xs_once' };
  const { asked } = hub(<AdminApps />, { say: { 'GET /api/admin/apps': { apps: [] }, 'POST /api/admin/apps': made, 'GET /api/orgs': [] } });
  const user = userEvent.setup();
  await user.click((await screen.findAllByRole('button', { name: '登记应用' }))[0]!);
  const form = screen.getByRole('form', { name: '登记应用' });
  await user.type(within(form).getByLabelText(/名称/), '服务');
  await user.type(within(form).getByLabelText(/回调地址/), 'https://a.example/b');
  await user.click(within(form).getByRole('button', { name: '保存' }));
  expect(await screen.findByText('xs_once')).toBeInTheDocument();
  expect(asked.find((a) => a.method === 'POST')?.body).toMatchObject({ name: '服务', kind: 'public', redirects: ['https://a.example/b'], scopes: ['launch', 'openid', 'fhirUser', 'patient/*.rs'] });
});

it('scopes are said in words', () => {
  const t = (key: string, v?: Record<string, string | number>) => ({ 'scope.patient': `${v?.do} of patient ${v?.what}`, 'type.Observation': 'results', 'do.read': 'read', 'do.both': 'rw', 'do.write': 'write' } as Record<string, string>)[key] ?? key;
  expect(scopeSays(t, 'patient/Observation.rs')).toBe('read of patient results');
  expect(scopeSays(t, 'patient/Observation.cruds')).toBe('rw of patient results');
  expect(scopeSays(t, 'patient/Device.write')).toBe('write of patient Device');
  expect(scopeSays(t, 'something')).toBe('something');
});
