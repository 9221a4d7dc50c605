import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, describe, expect, it } from 'vitest';
import { line, theCase } from '../../../web/dev/fixtures.ts';
import { hub, refuse } from '../../../web/src/test-hub';
import { Compose } from './form';
import ReferralPage from './page';
import { PlanAndOutcome } from './plan';

beforeEach(() => localStorage.clear());

const page = <ReferralPage line={line} />;
describe('the referral page', () => {
  it('empty offers to start one', async () => {
    hub(page, { say: { 'GET /api/lines/referral/worklist': { rows: [], total: 0 } } });
    expect(await screen.findByText('现在没有等您处理的转诊')).toBeInTheDocument();
    expect(screen.getAllByRole('button', { name: /发起转诊/ }).length).toBeGreaterThan(0);
  });
  it('an error says what to do', async () => {
    hub(page, { say: { 'GET /api/lines/referral/worklist': refuse(403, 'forbidden', '此身份不能查看转诊') } });
    expect(await screen.findByRole('alert')).toHaveTextContent('此身份不能查看转诊');
  });
  it('shows the list', async () => {
    hub(page);
    expect(await screen.findByRole('row', { name: /张三.*胸痛待查.*待接收.*超时/ })).toBeInTheDocument();
  });
});

describe('composing', () => {
  const at = { path: '/lines/referral/new?patient=p1' };
  it('shows the open referral before the form, and a duplicate cannot be sent', async () => {
    hub(<Compose line={line} />, at);
    expect(await screen.findByText(/有 1 件未结束的转诊/)).toBeInTheDocument();
    expect(screen.getByRole('button', { name: '提交转诊' })).toBeDisabled();
  });
  it('without a patient it asks for one', () => {
    hub(<Compose line={line} />, { path: '/lines/referral/new' });
    expect(screen.getByText('为哪位患者转诊？')).toBeInTheDocument();
  });
  it('fills in what the system knows, offers the packet, and sends', async () => {
    localStorage.setItem('xinglin.recent-orgs', JSON.stringify([{ reference: 'Organization/centre', display: '湘东区域医疗中心' }]));
    localStorage.setItem('xinglin.my-phone', '0730-5550101');
    const { asked } = hub(<Compose line={line} />, { ...at, say: { 'GET /api/lines/referral/open': [], 'POST /fhir/Task/$start': { resourceType: 'Task', id: 'new1' } } });
    expect(await screen.findByLabelText(/联系人/)).toHaveValue('周敏');
    expect(screen.getByLabelText(/联系电话/)).toHaveValue('0730-5550101');
    await userEvent.click(await screen.findByRole('button', { name: '湘东区域医疗中心' }));
    await userEvent.type(screen.getByLabelText(/病情与转诊原因/), '胸痛 3 小时');
    await waitFor(() => expect(screen.getByRole('checkbox', { name: /肌钙蛋白/ })).toBeChecked());
    await userEvent.click(screen.getByRole('button', { name: '提交转诊' }));
    await waitFor(() => expect(screen.getByTestId('where')).toHaveTextContent('/lines/referral/cases/new1'));
    const sent = asked.find((a) => a.path === '/fhir/Task/$start')!.body as { parameter: { name: string }[] };
    expect(sent.parameter.map((p) => p.name)).toEqual(['line', 'flow', 'patient', 'to', 'urgency', 'reason', 'documents', 'documents', 'coordinator', 'phone']);
  });
  it('says beside the field what is missing', async () => {
    hub(<Compose line={line} />, { ...at, say: { 'GET /api/lines/referral/open': [] } });
    await screen.findByLabelText(/联系人/);
    await userEvent.click(screen.getByRole('button', { name: '提交转诊' }));
    expect(await screen.findByText('请选择。')).toBeInTheDocument();
    expect(screen.getAllByText('请填写。').length).toBeGreaterThan(0);
  });
});

it('the plan that goes home is shown in words', () => {
  hub(<PlanAndOutcome data={{ ...theCase, plan: { description: '低盐饮食', activity: [{ detail: { description: '第 3 天随访' } }] }, outcome: { outcome: { zh: '住院' } } }} />);
  expect(screen.getByText('低盐饮食')).toBeInTheDocument();
  expect(screen.getByText(/第 3 天随访/)).toBeInTheDocument();
  expect(screen.getByText('住院')).toBeInTheDocument();
});
