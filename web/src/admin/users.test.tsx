import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it } from 'vitest';
import { hub } from '../test-hub';
import Users from './users';

const n = (zh: string, en: string) => ({ zh, en });
const org = { reference: 'Organization/county', display: '青溪县总医院' };
const user = {
  id: 'u9', username: 'wang', name: '王医生', manageable: true, factors: ['totp'], needsFactor: true,
  roles: [{ id: 'a', role: 'administrator', roleName: n('管理员', 'Administrator'), org }, { id: 'PractitionerRole/p#doctor', role: 'doctor', roleName: n('医生', 'Doctor'), org, source: 'PractitionerRole/p', until: '2027-01-31T16:00:00Z' }],
  requests: [{ id: 'q1', role: 'auditor', roleName: n('审计员', 'Auditor'), org, by: '李四', created: '2026-11-01T00:00:00Z', mine: true }],
};
const say = { 'GET /api/admin/users': { users: [user, { ...user, id: 'u8', name: '赵管理', username: 'zhao', factors: [], requests: [] }] } };

it('shows where a role comes from, who has no second factor, and what waits', async () => {
  hub(<Users />, { say });
  const row = await screen.findByRole('row', { name: /王医生/ });
  expect(row).toHaveTextContent(/医生 青溪县总医院 · .*人员登记/);
  expect(row).toHaveTextContent('手机验证器');
  expect(row).toHaveTextContent('李四 申请授予“审计员”');
  expect(screen.getByRole('row', { name: /赵管理/ })).toHaveTextContent('缺少');
});

it('a second administrator confirms', async () => {
  const { asked } = hub(<Users />, { say });
  await userEvent.click(await screen.findByRole('button', { name: '确认' }));
  await waitFor(() => expect(asked.find((a) => a.path === '/api/admin/requests/q1')?.body).toEqual({ grant: true }));
});

it('resets the factors after a question', async () => {
  const { asked } = hub(<Users />, { say });
  await userEvent.click(await screen.findByRole('button', { name: '重置验证方式' }));
  const sure = await screen.findByRole('dialog');
  await userEvent.click(within(sure).getByRole('button', { name: '重置验证方式' }));
  await waitFor(() => expect(asked.find((a) => a.method === 'PATCH')?.body).toEqual({ resetFactors: true }));
});

it('saves the account its own roles only, not those of the register', async () => {
  const { asked } = hub(<Users />, { say });
  await userEvent.click(within(await screen.findByRole('row', { name: /王医生/ })).getByRole('button', { name: '修改' }));
  await userEvent.click(within(await screen.findByRole('dialog')).getByRole('button', { name: '保存' }));
  await waitFor(() => expect(asked.find((a) => a.method === 'PATCH')?.body).toEqual({ name: '王医生', roles: [{ role: 'administrator', org: 'Organization/county' }] }));
});
