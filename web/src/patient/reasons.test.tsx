import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it } from 'vitest';
import { hub, refuse } from '../test-hub';
import { BreakGlass, whole, Withheld } from './reasons';

const reasons = {
  mayBreakGlass: true, hours: 24, perDay: 5, furtherHours: 12,
  breakGlass: [{ code: 'emergency', name: { zh: '急诊抢救', en: 'Emergency' } }],
  further: [{ code: 'treatment', name: { zh: '本次诊疗需要', en: 'Treatment' } }],
  kinds: [{ code: 'psychiatry', name: { zh: '精神卫生', en: 'Psychiatry' } }],
};
const choose = async (label: string, option: string) => {
  await userEvent.click(screen.getByRole('combobox', { name: label }));
  await userEvent.click(await screen.findByTitle(option));
};

it('opens a record in an emergency only with a reason and words', async () => {
  let opened = '';
  const { asked } = hub(<BreakGlass identifier="999999199001010000" onOpened={(r) => { opened = r; }} />, {
    say: { 'GET /api/reasons': reasons, 'POST /fhir/Patient/$break-glass': { parameter: [{ name: 'patient', valueReference: { reference: 'Patient/p1' } }] } },
  });
  await userEvent.click(await screen.findByRole('button', { name: '紧急调阅（破窗）' }));
  expect(await screen.findByRole('button', { name: '打开' })).toBeDisabled();
  await choose('理由', '急诊抢救');
  await userEvent.type(screen.getByRole('textbox', { name: '说明' }), '昏迷入院');
  await userEvent.click(screen.getByRole('button', { name: '打开' }));
  await waitFor(() => expect(opened).toBe('Patient/p1'));
  expect(JSON.stringify(asked.find((a) => a.method === 'POST')?.body)).toContain('999999199001010000');
});

it('says why it stays closed', async () => {
  hub(<BreakGlass identifier="999999199001010000" onOpened={() => undefined} />, { say: { 'GET /api/reasons': reasons, 'POST /fhir/Patient/$break-glass': refuse(429, 'break-glass-limit', '您今日的紧急调阅次数已达上限') } });
  await userEvent.click(await screen.findByRole('button', { name: '紧急调阅（破窗）' }));
  await choose('理由', '急诊抢救');
  await userEvent.type(screen.getByRole('textbox', { name: '说明' }), '昏迷入院');
  await userEvent.click(screen.getByRole('button', { name: '打开' }));
  expect(await screen.findByRole('alert')).toHaveTextContent('已达上限');
});

it('is not there for who does not treat', async () => {
  hub(<><BreakGlass identifier="x" onOpened={() => undefined} /><p>ready</p></>, { say: { 'GET /api/reasons': { ...reasons, mayBreakGlass: false } } });
  await screen.findByText('ready');
  expect(screen.queryByRole('button')).toBeNull();
});

it('notes guarded data without its kind, and asks for a reason', async () => {
  hub(<Withheld patient="Patient/p1" />, { say: { 'GET /api/reasons': reasons, 'GET /api/patients/p1/withheld': { withheld: true } } });
  const note = await screen.findByRole('note');
  expect(note).toHaveTextContent('另有受保护的资料');
  expect(note).not.toHaveTextContent('精神');
  await userEvent.click(screen.getByRole('button', { name: '说明理由' }));
  expect(await screen.findByRole('checkbox', { name: '精神卫生' })).toBeInTheDocument();
});

it('knows a whole number', () => {
  expect(['999999199001010000', '0000013'].every(whole)).toBe(true);
  expect(['张三', '1234', 'zhang'].some(whole)).toBe(false);
});
