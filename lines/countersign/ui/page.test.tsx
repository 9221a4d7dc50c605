import { screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import { line } from '../../../web/dev/fixtures.ts';
import { hub, refuse } from '../../../web/src/test-hub';
import CountersignPage from './page';

it('shows the list', async () => {
  hub(<CountersignPage line={line} />);
  expect(await screen.findByRole('table')).toBeInTheDocument();
});

it('empty says so', async () => {
  hub(<CountersignPage line={line} />, { say: { 'GET /api/lines/referral/worklist': { rows: [], total: 0 } } });
  expect(await screen.findByText(/现在没有等您处理/)).toBeInTheDocument();
});

it('an error says what', async () => {
  hub(<CountersignPage line={line} />, { say: { 'GET /api/lines/referral/worklist': refuse(503, 'down', '数据库正在恢复') } });
  expect(await screen.findByRole('alert')).toHaveTextContent('数据库正在恢复');
});
