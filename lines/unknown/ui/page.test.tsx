import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, expect, it } from 'vitest';
import type { Line } from '../../../web/src/fhir/types';
import { hub, refuse } from '../../../web/src/test-hub';
import UnknownPage from './page';

const n = (zh: string, en: string) => ({ zh, en });
const line: Line = {
  slug: 'unknown', name: n('无名氏', 'Unknown patients'), counts: { waiting: 0, late: 0, open: 0, mineLate: 0 }, flows: [], views: [],
  start: [{ flow: 'identify', do: n('登记无名氏', 'Register'), name: n('身份待查', 'Who is it'), about: 'newcomer', form: { fields: [
    { name: 'sex', label: n('性别', 'Sex'), type: 'choice', default: 'unknown', options: [{ code: 'male', name: n('男', 'Male') }, { code: 'unknown', name: n('不详', 'Unknown') }] },
    { name: 'age', label: n('估计年龄（岁）', 'Estimated age'), type: 'text' }] } }],
};
const at = { path: '/lines/unknown/new', route: '/lines/unknown/*' };
beforeEach(() => localStorage.clear());

it('empty: nobody waits', async () => {
  hub(<UnknownPage line={line} />, { ...at, path: '/lines/unknown', say: { 'GET /api/lines/unknown/worklist': { rows: [], total: 0 } } });
  expect(await screen.findByText('现在没有等您处理的无名氏')).toBeInTheDocument();
  expect(screen.getAllByRole('button', { name: /登记无名氏/ }).length).toBeGreaterThan(0);
});
it('registers at once, as an emergency, with nothing known', async () => {
  const { asked } = hub(<UnknownPage line={line} />, { ...at, say: { 'POST /fhir/Task/$start': { resourceType: 'Task', id: 'u1' } } });
  await userEvent.click(await screen.findByRole('button', { name: '登记并建档' }));
  await waitFor(() => expect(asked.find((a) => a.path === '/fhir/Task/$start')?.body).toMatchObject({ parameter: [{ name: 'line', valueCode: 'unknown' }, { name: 'flow', valueCode: 'identify' }, { name: 'urgency', valueCode: 'emergency' }, { name: 'sex', valueCode: 'unknown' }] }));
});
it('an error says why', async () => {
  hub(<UnknownPage line={line} />, { ...at, say: { 'POST /fhir/Task/$start': refuse(422, 'bad-age', '估计年龄应为 0–120 的整数') } });
  await userEvent.type(await screen.findByLabelText(/估计年龄/), '300');
  await userEvent.click(screen.getByRole('button', { name: '登记并建档' }));
  expect(await screen.findByRole('alert')).toHaveTextContent('估计年龄应为 0–120 的整数');
});
