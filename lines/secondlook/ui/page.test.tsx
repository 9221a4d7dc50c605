import { screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import { line, theCase } from '../../../web/dev/fixtures.ts';
import { hub } from '../../../web/src/test-hub';
import SecondLookPage from './page';

it('shows the list', async () => {
  hub(<SecondLookPage line={line} />);
  expect(await screen.findByRole('table')).toBeInTheDocument();
});

it('says who opened the record, why and until when, to who judges it', async () => {
  const fact = (code: string, text: string, value: Record<string, unknown>) => ({ type: { coding: [{ code }], text }, ...value });
  hub(<SecondLookPage line={line} />, {
    path: '/cases/t1', say: { 'GET /api/lines/referral/cases/:id': {
      ...theCase, path: [{ ...theCase.path![0], by: { name: '魏爱华', org: '杏州医院' } }],
      task: { input: [fact('opened', '编号', { valueString: '56aa85933a4e' }), fact('words', '说明', { valueString: '昏迷入院，家属不在场' }), fact('until', '开放至', { valueDateTime: '2026-11-24T21:18:34+08:00' })] },
    } },
  });
  expect(await screen.findByText('昏迷入院，家属不在场')).toBeInTheDocument();
  expect(screen.getAllByText('魏爱华').length).toBeGreaterThan(0);
  expect(screen.getByText('开放至')).toBeInTheDocument();
  expect(screen.queryByText('56aa85933a4e')).toBeNull();
});
