import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it } from 'vitest';
import { hub } from '../test-hub';
import Audit from './audit';

it('a line opens to its single entries, and an entry says by which relation it was allowed', async () => {
  const { asked } = hub(<Audit />, { path: '/audit?patient=Patient/p1' });
  await userEvent.click(await screen.findByRole('button', { name: /7 次/ }));
  await waitFor(() => expect(asked.some((a) => a.path === '/api/audit' && a.search.includes('user=u1') && a.search.includes('patient=Patient%2Fp1'))).toBe(true));
  await userEvent.click(await screen.findByRole('button', { name: '依据' }));
  expect(await screen.findByText('就诊、住院')).toBeInTheDocument();
  expect(screen.getByText(/Encounter\/e1/)).toBeInTheDocument();
});

it('shows that a reason had to be given and what was refused', async () => {
  hub(<Audit />, { path: '/audit' });
  expect(await screen.findByText(/已说明理由：emergency/)).toBeInTheDocument();
  expect(screen.getByText(/拒绝 1 次/)).toBeInTheDocument();
});

it('exports only a period, as CSV or signed', async () => {
  const { unmount } = hub(<Audit />, { path: '/audit' });
  expect(await screen.findByText('选定起止日期后可导出')).toBeInTheDocument();
  unmount();
  hub(<Audit />, { path: '/audit?from=2026-01-01&until=2026-01-31&marked=1' });
  expect(await screen.findByRole('link', { name: 'CSV' })).toHaveAttribute('href', '/api/audit/export?from=2026-01-01&until=2026-01-31&marked=1&format=csv');
  expect(screen.getByRole('link', { name: '签名文件' })).toHaveAttribute('href', expect.stringContaining('format=jsonl'));
});

it('the copy for the patient is one click away once a patient is chosen', async () => {
  hub(<Audit />, { path: '/audit?patient=Patient/p1' });
  expect(await screen.findByRole('link', { name: '打印患者副本' })).toHaveAttribute('href', '/audit/copy/p1');
});
