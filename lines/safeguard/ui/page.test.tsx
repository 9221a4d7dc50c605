import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, expect, it } from 'vitest';
import type { Line } from '../../../web/src/fhir/types';
import { hub, refuse } from '../../../web/src/test-hub';
import SafeguardPage from './page';

const n = (zh: string, en: string) => ({ zh, en });
const line: Line = {
  slug: 'safeguard', name: n('强制报告', 'Safeguarding'), counts: { waiting: 0, late: 0, open: 0, mineLate: 0 }, flows: [], views: [],
  start: [{ flow: 'report', name: n('强制报告', 'Mandatory report'), about: 'patient', form: { fields: [
    { name: 'patient', label: n('患者', 'Patient'), type: 'patient', required: true },
    { name: 'signs', label: n('所见与依据', 'What was seen'), type: 'textarea', required: true }] } }],
};
const at = { path: '/lines/safeguard/new?patient=p1', route: '/lines/safeguard/*' };
beforeEach(() => localStorage.clear());

it('without a patient it asks for one', async () => {
  hub(<SafeguardPage line={line} />, { ...at, path: '/lines/safeguard/new' });
  expect(await screen.findByText('哪位患者？')).toBeInTheDocument();
});
it('says who will see it, and reports', async () => {
  const { asked } = hub(<SafeguardPage line={line} />, { ...at, say: { 'POST /fhir/Task/$start': { resourceType: 'Task', id: 's1' } } });
  expect(await screen.findByText(/仅医务处和报告人可见/)).toBeInTheDocument();
  await userEvent.type(screen.getByLabelText(/所见与依据/), '多处陈旧瘀伤');
  await userEvent.click(screen.getByRole('button', { name: '报告医务处' }));
  await waitFor(() => expect(asked.find((a) => a.path === '/fhir/Task/$start')?.body).toMatchObject({ parameter: [{ name: 'line' }, { name: 'flow' }, { name: 'patient', valueReference: { reference: 'Patient/p1' } }, { name: 'signs', valueString: '多处陈旧瘀伤' }] }));
});
it('an error says why', async () => {
  hub(<SafeguardPage line={line} />, { ...at, say: { 'POST /fhir/Task/$start': refuse(422, 'unknown-patient', '找不到该患者，或您无权查看') } });
  await userEvent.type(await screen.findByLabelText(/所见与依据/), '瘀伤');
  await userEvent.click(screen.getByRole('button', { name: '报告医务处' }));
  expect(await screen.findByRole('alert')).toHaveTextContent('找不到该患者');
});
