import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, describe, expect, it } from 'vitest';
import { me } from '../../dev/fixtures.ts';
import { hub, refuse } from '../test-hub';
import { Login } from './login';
import { Page } from './page';
import { PatientSearch } from './search';
import Shell from './shell';

beforeEach(() => localStorage.clear());

describe('login', () => {
  it('refuses in words and keeps the account', async () => {
    hub(<Login />, { say: { 'POST /api/login': refuse(401, 'login-failed', '账号或密码不正确') } });
    await userEvent.type(screen.getByLabelText('账号'), 'xiangcun');
    await userEvent.type(screen.getByLabelText('密码'), 'wrong');
    await userEvent.click(screen.getByRole('button', { name: '登录' }));
    expect(await screen.findByText('账号或密码不正确')).toBeInTheDocument();
    expect(screen.getByLabelText('账号')).toHaveValue('xiangcun');
  });
  it('sends account and password', async () => {
    const { asked } = hub(<Login />);
    await userEvent.type(screen.getByLabelText('账号'), 'xiangcun');
    await userEvent.type(screen.getByLabelText('密码'), 'Xinglin-demo-1{Enter}');
    await waitFor(() => expect(asked.find((a) => a.method === 'POST' && a.path === '/api/login')?.body).toEqual({ username: 'xiangcun', password: 'Xinglin-demo-1' }));
  });
});

it('a stranger logs in and is at work', async () => {
  hub(<Page />, { say: { 'GET /api/me': refuse(401, 'login-required', '请登录') } });
  await userEvent.type(await screen.findByLabelText('账号'), 'xiangcun');
  await userEvent.type(screen.getByLabelText('密码'), 'Xinglin-demo-1{Enter}');
  expect(await screen.findByRole('navigation', { name: '主菜单' }, { timeout: 5000 })).toBeInTheDocument();
});

describe('the shell', () => {
  it('counts what waits, red only when late', async () => {
    hub(<Shell me={me} />);
    const nav = await screen.findByRole('navigation', { name: '主菜单' });
    const item = await within(nav).findByRole('link', { name: /双向转诊/ });
    expect(item).toHaveTextContent('3 件等您处理，1 件超时');
    expect(item.querySelector('.count')).toHaveClass('count-late');
  });
  it('is grey when nothing of mine is late', async () => {
    hub(<Shell me={me} />, { say: { 'GET /api/counts': { referral: { waiting: 2, late: 7, open: 9 } }, 'GET /api/work': { rows: [], total: 0 } } });
    const item = await screen.findByRole('link', { name: /双向转诊/ });
    expect(item.querySelector('.count')).not.toHaveClass('count-late');
  });
  it('asks how many notices are unread, and for the list when it is opened', async () => {
    const { asked } = hub(<Shell me={me} />);
    await userEvent.click(await screen.findByRole('button', { name: /通知/ }));
    expect(await screen.findByText('有一件紧急转诊等待接收')).toBeInTheDocument();
    expect(asked.filter((a) => a.path === '/api/notices').map((a) => a.search)).toEqual(['?count=0', '?count=30']);
    expect(asked.filter((a) => a.path === '/api/lines').map((a) => a.search)).toEqual(['?counts=false']);
  });
  it('says that the lines failed, and asks again', async () => {
    const { asked } = hub(<Shell me={me} />, { say: { 'GET /api/lines': refuse(503, 'unavailable', '数据库正在恢复') } });
    await userEvent.click(await screen.findByRole('button', { name: '业务没有取到，点此重试' }));
    await waitFor(() => expect(asked.filter((a) => a.path === '/api/lines').length).toBeGreaterThan(1));
  });
  it('offers an administrator no patients, and what is his to do', async () => {
    hub(<Shell me={{ ...me, role: me.roles[1]! }} />, { say: { 'GET /api/work': { rows: [], total: 0 } } });
    expect(await screen.findByRole('link', { name: '从表格导入机构与人员' })).toHaveAttribute('href', '/admin/import');
    expect(screen.queryByRole('combobox', { name: '查找患者' })).toBeNull();
  });
  it('hides administration from a doctor', async () => {
    hub(<Shell me={me} />);
    await screen.findByRole('link', { name: /双向转诊/ });
    expect(screen.queryByRole('link', { name: '用户' })).not.toBeInTheDocument();
  });
  it('shows it to an administrator', async () => {
    hub(<Shell me={{ ...me, role: me.roles[1]! }} />);
    expect(await screen.findByRole('link', { name: '用户' })).toBeInTheDocument();
  });
});

describe('patient search', () => {
  it('/ focuses it; typing finds; Enter opens', async () => {
    const { asked } = hub(<PatientSearch />);
    fireEvent.keyDown(window, { key: '/' });
    const box = screen.getByRole('combobox', { name: '查找患者' });
    expect(box).toHaveFocus();
    await userEvent.type(box, 'ls');
    expect(await screen.findByRole('option', { name: /李四.*990\*/ })).toBeInTheDocument();
    await userEvent.keyboard('{Enter}');
    expect(screen.getByTestId('where')).toHaveTextContent('/patients/p1');
    expect(asked.filter((a) => a.path === '/api/patients').at(-1)?.search).toContain('q=ls');
  });
  it('Enter before the answer opens the only one found', async () => {
    hub(<PatientSearch />);
    await userEvent.type(screen.getByRole('combobox'), 'ls{Enter}');
    await waitFor(() => expect(screen.getByTestId('where')).toHaveTextContent('/patients/p1'));
  });
  it('Enter before the answer leaves the choice of several to the person', async () => {
    const one = { reference: 'Patient/p1', name: '李四', sex: 'male', age: 60, birthDate: '1966-01-01', idMasked: '', phoneMasked: '' };
    hub(<PatientSearch />, { say: { 'GET /api/patients': [one, { ...one, reference: 'Patient/p2', name: '李松' }] } });
    await userEvent.type(screen.getByRole('combobox'), 'ls{Enter}');
    expect(await screen.findByRole('option', { name: /李松/ })).toBeInTheDocument();
    expect(screen.getByTestId('where')).not.toHaveTextContent('/patients/');
  });
  it('nobody found says what may be searched', async () => {
    hub(<PatientSearch />, { say: { 'GET /api/patients': [] } });
    await userEvent.type(screen.getByRole('combobox'), '无名');
    expect(await screen.findByText(/没有找到“无名”/)).toBeInTheDocument();
  });
});
