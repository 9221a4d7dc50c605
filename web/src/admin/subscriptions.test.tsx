import { screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it } from 'vitest';
import { hub, refuse } from '../test-hub';
import Subscriptions, { whyOf } from './subscriptions';

it('a failing subscription says who, where to and why, and is sent again', async () => {
  const { asked } = hub(<Subscriptions />);
  const me = userEvent.setup();
  expect(await screen.findByText('1 个送不出去')).toBeInTheDocument();
  await me.click(screen.getByRole('button', { name: /青溪县总医院/ }));
  const detail = await screen.findByRole('complementary', { name: '订阅详情' });
  expect(await within(detail).findAllByText('对方返回 502')).toHaveLength(2);
  expect(within(detail).getByRole('row', { name: /41 Task .*未送达/ })).toBeInTheDocument();
  await me.click(within(detail).getByRole('button', { name: '重新送达 3 条' }));
  expect(await screen.findByText('3 条已重新排队')).toBeInTheDocument();
  expect(asked.some((a) => a.method === 'POST' && a.path === '/api/admin/subscriptions/s1/resend')).toBe(true);
});

it('dropping asks for a reason', async () => {
  const { asked } = hub(<Subscriptions />, { path: '/?at=s1' });
  const me = userEvent.setup();
  await me.click(await screen.findByRole('button', { name: '放弃 3 条' }));
  const dialog = await screen.findByRole('dialog');
  expect(within(dialog).getByRole('button', { name: '放弃' })).toBeDisabled();
  await me.type(within(dialog).getByLabelText(/原因/), '对方系统已更换');
  await me.click(within(dialog).getByRole('button', { name: '放弃' }));
  expect(await screen.findByText('已放弃 3 条')).toBeInTheDocument();
  expect(asked.find((a) => a.path.endsWith('/drop'))?.body).toEqual({ reason: '对方系统已更换' });
});

it('a refusal is said', async () => {
  hub(<Subscriptions />, { path: '/?at=s1', say: { 'POST /api/admin/subscriptions/:id/resend': refuse(409, 'changed-meanwhile', '内容已被他人更新，请刷新后再试') } });
  await userEvent.setup().click(await screen.findByRole('button', { name: '重新送达 3 条' }));
  expect(await screen.findByText('内容已被他人更新，请刷新后再试')).toBeInTheDocument();
});

it('reasons are said in the reader’s language', () => {
  const t = (key: string, v?: Record<string, string | number>) => key + (v ? JSON.stringify(v) : '');
  for (const [text, want] of [
    ['answered 307: redirects are not followed', 'sub.why.answered{"status":"307"}'],
    ['no answer in time', 'sub.why.timeout'],
    ['dial tcp 10.0.0.1:443: connect: connection refused', 'sub.why.refused'],
    ['2 dropped: 已更换', 'sub.why.dropped{"n":"2","why":"已更换"}'],
    ['EOF', 'EOF'],
  ]) expect(whyOf(t, text!)).toBe(want);
});
