import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, describe, expect, it } from 'vitest';
import { theCase } from '../../../web/dev/fixtures.ts';
import type { Case, Line } from '../../../web/src/fhir/types';
import { hub, refuse } from '../../../web/src/test-hub';
import type { Agreement, List } from './data';
import AgreementPage from './page';

const n = (zh: string, en: string) => ({ zh, en });
const service = (code: string, zh: string) => ({ code, name: n(zh, code) });
const line: Line = {
  slug: 'agreement', name: n('协议管理', 'Agreements'), counts: { waiting: 1, late: 0, open: 2, mineLate: 0 }, views: [],
  flows: [{ code: 'contract', name: n('机构间协议', 'Agreement'), states: [{ code: 'proposed', name: n('待签署', 'To be signed'), kind: 'open', main: true }, { code: 'active', name: n('生效中', 'In force'), kind: 'open', main: true }], steps: [] }],
  start: [{ flow: 'contract', name: n('机构间协议', 'Agreement'), about: 'nobody', form: { fields: [
    { name: 'to', label: n('协议对方', 'With'), type: 'organization', required: true },
    { name: 'services', label: n('业务范围', 'Services'), type: 'choice', repeats: true, required: true, options: [{ code: 'up-referral', name: n('上转', 'Up') }] },
    { name: 'from', label: n('生效日', 'From'), type: 'date', required: true }] } }],
};
const centre = { reference: 'Organization/centre', display: '杏州区域医疗中心' };
const county = { reference: 'Organization/county', display: '青榆县总医院' };
const active: Agreement = {
  id: 'a1', task: 'Task/a1', title: '区域协作协议', kind: service('alliance', '医联体'), state: 'active', stateName: n('生效中', 'In force'), stateKind: 'open', requester: county, owner: centre, other: county,
  lead: centre, services: [service('up-referral', '上转'), service('down-referral', '下转')], specialties: [], sharing: 'results', from: '2026-01-01', until: '2026-12-31', daysLeft: 38, inForce: true, mine: false, changed: '2026-01-02T08:00:00+08:00',
};
const waiting: Agreement = { ...active, id: 'a2', task: 'Task/a2', title: '专科联盟协议', state: 'proposed', stateName: n('待签署', 'To be signed'), inForce: false, mine: true, daysLeft: undefined, until: undefined, other: { reference: 'Organization/p9', display: '妇幼保健院' } };
const list: List = { rows: [waiting, active], summary: { inForce: 1, partners: 1, expiring: 1, waiting: 1, townships: { covered: 21, total: 21 }, villages: { covered: 100, total: 107 } } };
const detail: Agreement = { ...active, detail: { text: '急危重症上转。', weAsk: [service('down-referral', '下转')], theyAsk: [service('up-referral', '上转')], documents: [{ reference: '/api/files/abc', display: '协议扫描件.pdf' }],
  signers: [{ org: county, name: '王院长', at: '2026-01-01T09:00:00+08:00' }] } };
const theOne: Case = { ...theCase, row: { ...theCase.row, task: 'Task/a1', flow: 'contract', version: '3' }, open: [{ do: 'suspend', name: n('暂停', 'Suspend'), primary: false, effect: n('立即停止新的申请', 'Stops new requests'), form: { fields: [{ name: 'reason', label: n('理由', 'Reason'), type: 'textarea', required: true }] } }], path: [] };
const say = { 'GET /api/agreements': list, 'GET /api/agreements/:id': detail, 'GET /api/lines/agreement/cases/:id': theOne, 'GET /api/agreements/askable': { parties: [] } };
const at = { path: '/lines/agreement', route: '/lines/agreement/*', say };
beforeEach(() => localStorage.clear());

describe('the agreements page', () => {
  it('empty says how to begin', async () => {
    hub(<AgreementPage line={line} />, { ...at, say: { 'GET /api/agreements': { ...list, rows: [] } } });
    expect(await screen.findByText('还没有协议')).toBeInTheDocument();
    expect(screen.getByRole('button', { name: /发起协议/ })).toBeInTheDocument();
  });
  it('an error says what happened', async () => {
    hub(<AgreementPage line={line} />, { ...at, say: { 'GET /api/agreements': refuse(403, 'not-your-business', '协议由院领导、医务处和转诊办办理') } });
    expect(await screen.findByRole('alert')).toHaveTextContent('协议由院领导、医务处和转诊办办理');
  });
  it('lists by state, with what ends soon and what waits', async () => {
    hub(<AgreementPage line={line} />, at);
    expect(await screen.findByRole('row', { name: /生效中 青榆县总医院.*医联体.*还剩 38 天.*本院牵头/ })).toBeInTheDocument();
    expect(screen.getByText('21/21')).toBeInTheDocument();
    await userEvent.click(screen.getByRole('button', { name: /^待我处理/ }));
    expect(screen.queryByRole('row', { name: /青榆县总医院/ })).not.toBeInTheDocument();
    expect(screen.getByRole('row', { name: /待签署 待我处理 妇幼保健院/ })).toBeInTheDocument();
  });
  it('shows what each side may ask for, who signed, and suspends with a reason', async () => {
    const { asked } = hub(<AgreementPage line={line} />, at);
    await userEvent.click(await screen.findByRole('button', { name: '青榆县总医院' }));
    const one = await screen.findByRole('complementary', { name: '协议内容' });
    expect(await within(one).findByText('本院可向对方申请')).toBeInTheDocument();
    expect(within(one).getByText('急诊、患者自主选择和同一法人内部不受协议限制。')).toBeInTheDocument();
    expect(within(one).getByText('王院长')).toBeInTheDocument();
    expect(within(one).getByText('尚未签署')).toBeInTheDocument();
    expect(within(one).getByRole('link', { name: '协议扫描件.pdf' })).toHaveAttribute('href', '/api/files/abc');
    await userEvent.click(await within(one).findByRole('button', { name: '暂停' }));
    await userEvent.type(within(one).getByLabelText(/理由/), '床位改造');
    await userEvent.click(within(one).getByRole('button', { name: /暂停/ }));
    await waitFor(() => expect(asked.find((a) => a.path === '/fhir/Task/a1/$suspend')?.body).toEqual({ resourceType: 'Parameters', parameter: [{ name: 'reason', valueString: '床位改造' }] }));
  });
  it('a new one asks for what it needs', async () => {
    const { asked } = hub(<AgreementPage line={line} />, { ...at, path: '/lines/agreement/new' });
    await userEvent.click(await screen.findByRole('button', { name: '送对方签署' }));
    expect((await screen.findAllByText('请选择。')).length).toBeGreaterThan(0);
    expect(asked.some((a) => a.path === '/fhir/Task/$start')).toBe(false);
    await userEvent.click(screen.getByRole('button', { name: '存为草稿' }));
    await waitFor(() => expect(asked.find((a) => a.path === '/fhir/Task/$start')?.body).toMatchObject({ parameter: [{ name: 'line', valueCode: 'agreement' }, { name: 'flow', valueCode: 'contract' }, { name: 'draft', valueBoolean: true }, { name: 'from' }] }));
  });
});
