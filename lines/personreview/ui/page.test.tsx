import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';
import type { Line } from '../../../web/src/fhir/types';
import { hub, refuse } from '../../../web/src/test-hub';
import type { Pair, PairRow, Pairs } from './data';
import PersonReviewPage from './page';

const n = (zh: string, en: string) => ({ zh, en });
const line: Line = { slug: 'personreview', name: n('主索引核对', 'Patient index review'), counts: { waiting: 2, late: 0, open: 2, mineLate: 0 }, views: [], flows: [], start: [] };
const county = { reference: 'Organization/county', display: '青榆县人民医院' };
const centre = { reference: 'Organization/centre', display: '杏州区域医疗中心' };
const row = (id: string, more: Partial<PairRow> = {}): PairRow => ({
  task: `Task/${id}`, flow: 'pair', state: 'waiting', stateName: n('待核对', 'To be reviewed'), stateKind: 'open', due: new Date(Date.now() + 86_400_000 * 2).toISOString(), late: false, mine: true, version: '1',
  opened: new Date().toISOString(), what: '', owner: centre, hospitals: [county, centre], pair: '7', pairState: 'open', pairVersion: '4', why: 'possible', score: 9.4, probability: 0.87,
  left: { reference: 'Patient/a', name: '张伟', sex: 'male', age: 36, birthDate: '1990-01-01', org: county, updated: '2026-11-20T09:00:00+08:00', opens: false },
  right: { reference: 'Patient/b', name: '张玮', sex: 'male', age: 36, birthDate: '1990-01-01', org: centre, updated: '2026-11-21T10:00:00+08:00', opens: true }, ...more,
});
const first = row('t1');
const second = row('t2', { bar: 'twin', why: 'barred', left: { ...first.left!, name: '李明' }, right: { ...first.right!, name: '李亮' } });
const list: Pairs = { rows: [first, second], total: 2, counts: { mine: 2, late: 0 } };
const reasons = { name: 'reason', label: n('理由', 'Reason'), type: 'choice' as const, required: true, options: [{ code: 'number', name: n('证件号核对一致', 'Checked') }, { code: 'typing', name: n('录入差错', 'Typing error') }, { code: 'other', name: n('其他', 'Other') }] };
const note = { name: 'note', label: n('说明', 'Note'), type: 'textarea' as const };
const form = { fields: [reasons, note] };
const pair = (r: PairRow, more: Partial<Pair> = {}): Pair => ({
  row: r, path: [{ state: 'waiting', stateName: n('待核对', ''), at: '2026-11-20T09:00:00+08:00', by: { name: '系统' }, step: 'open', note: '发现疑似同一人' }], back: false, why: form,
  open: [{ do: 'accept', name: n('是同一人', 'One person'), primary: true, effect: n('两份记录合为一人', ''), form }, { do: 'reject', name: n('不是同一人', 'Different'), primary: true, form }, { do: 'ask', name: n('问原医院', 'Ask'), form }],
  fields: [
    { field: 'name', left: [{ text: '张' }, { text: '伟', mark: 'homophone' }], right: [{ text: '张' }, { text: '玮', mark: 'homophone' }], same: false, evidence: { level: 'homophone', bits: 4.2, parts: [{ field: 'family', level: 'exact', bits: 3 }, { field: 'given', level: 'homophone', bits: 1.2 }] } },
    { field: 'birth', left: [{ text: '1990-01-01' }], right: [{ text: '1990-01-01' }], same: true, evidence: { level: 'exact', bits: 8 } },
    { field: 'number', system: 'https://xinglin.health/fhir/sid/resident-id', left: [{ text: '990********' }, { text: '1', mark: 'typed' }, { text: '**1234' }], right: [{ text: '990********' }, { text: '7', mark: 'typed' }, { text: '**1234' }], same: false, masked: true, evidence: { level: 'slip', bits: -2 } },
    { field: 'phone', left: [{ text: '138****1234' }], right: [], same: false, masked: true },
  ], ...more,
});
const say = { 'GET /api/pairs': list, 'GET /api/pairs/t1': pair(first), 'GET /api/pairs/t2': pair(second), 'POST /fhir/Task/:id/$accept': {}, 'POST /api/pairs/t1/reveal': { values: ['990101199001011234'] } };
const at = { path: '/lines/personreview', route: '/lines/personreview/*', say };

describe('the worklist of possible pairs', () => {
  it('empty says what would appear, and that care does not wait', async () => {
    hub(<PersonReviewPage line={line} />, { ...at, say: { 'GET /api/pairs': { rows: [], total: 0 } } });
    expect(await screen.findByText('没有待核对的记录')).toBeInTheDocument();
    expect(screen.getByText(/诊疗从不等待核对/)).toBeInTheDocument();
  });
  it('an error says what happened', async () => {
    hub(<PersonReviewPage line={line} />, { ...at, say: { 'GET /api/pairs': refuse(403, 'records-desk-only', '仅病案室可以核对') } });
    expect(await screen.findByRole('alert')).toHaveTextContent('仅病案室可以核对');
  });
  it('lists both records, the probability and why it is asked', async () => {
    hub(<PersonReviewPage line={line} />, at);
    const rows = within(await screen.findByRole('list', { name: '疑似同一人' }));
    expect(rows.getByRole('button', { name: /张伟.*张玮.*87 %.*青榆县人民医院 · 杏州区域医疗中心.*待核对/ })).toBeInTheDocument();
    expect(rows.getByRole('button', { name: /李明.*李亮.*双胞胎？/ })).toBeInTheDocument();
  });
  it('names each slip in words, with evidence for and against', async () => {
    hub(<PersonReviewPage line={line} />, { ...at, path: '/lines/personreview?case=t1' });
    const table = await screen.findByRole('table', { name: '并列比对' });
    expect(within(table).getByRole('row', { name: /姓名 张伟 张玮.*同音/ })).toBeInTheDocument();
    expect(within(table).getByText('同音字')).toBeInTheDocument();
    expect(within(table).getByRole('row', { name: /身份证号.*录入不同/ })).toBeInTheDocument();
    expect(within(table).getByRole('img', { name: /一处笔误，反对 -2.0 比特/ })).toBeInTheDocument();
    expect(within(table).getByText('仅一方有')).toBeInTheDocument();
    expect(table).not.toHaveTextContent('990101199001011234');
    await userEvent.click(within(table).getByRole('button', { name: /显示 身份证号 青榆县人民医院/ }));
    expect(await within(table).findByText('990101199001011234')).toBeInTheDocument();
  });
  it('decides by keyboard: J opens, A accepts, a digit says why, Enter confirms, and the next pair opens', async () => {
    const { asked } = hub(<PersonReviewPage line={line} />, at);
    await screen.findByRole('list', { name: '疑似同一人' });
    await userEvent.keyboard('j');
    await screen.findByRole('table', { name: '并列比对' });
    await userEvent.keyboard('a2');
    expect(screen.getByRole('radio', { name: /录入差错/ })).toBeChecked();
    await userEvent.keyboard('{Enter}');
    await waitFor(() => expect(asked.find((a) => a.path === '/fhir/Task/t1/$accept')?.body).toEqual({ resourceType: 'Parameters', parameter: [{ name: 'reason', valueCode: 'typing' }, { name: 'seen', valueString: '4' }] }));
    expect(asked.find((a) => a.path === '/fhir/Task/t1/$accept')?.headers['If-Match']).toBe('W/"1"');
    await waitFor(() => expect(screen.getByTestId('where')).toHaveTextContent('case=t2'));
  });
  it('other needs words', async () => {
    hub(<PersonReviewPage line={line} />, { ...at, path: '/lines/personreview?case=t1' });
    await userEvent.click(await screen.findByRole('button', { name: /^不是同一人/ }));
    await userEvent.click(screen.getByRole('radio', { name: /其他/ }));
    expect(screen.getByRole('button', { name: '确认不是同一人' })).toBeDisabled();
    await userEvent.type(screen.getByRole('textbox', { name: /说明/ }), '纸质病案为两人');
    expect(screen.getByRole('button', { name: '确认不是同一人' })).toBeEnabled();
  });
  it('of two reviewers the second is told', async () => {
    hub(<PersonReviewPage line={line} />, { ...at, path: '/lines/personreview?case=t1', say: { ...say, 'POST /fhir/Task/t1/$accept': refuse(409, 'changed-meanwhile', '该病例已被他人处理，请刷新后再试') } });
    await userEvent.click(await screen.findByRole('button', { name: /^是同一人/ }));
    await userEvent.click(screen.getByRole('radio', { name: /录入差错/ }));
    await userEvent.click(screen.getByRole('button', { name: '确认是同一人' }));
    expect(await screen.findByRole('alert')).toHaveTextContent('已被他人处理');
  });
  it('the hospital that is asked sees the question and not the other record', async () => {
    const mine = row('t1', { state: 'asked', asked: county, question: '证件号', right: { org: centre, opens: false, hidden: true } });
    hub(<PersonReviewPage line={line} />, { ...at, path: '/lines/personreview?case=t1', say: { ...say, 'GET /api/pairs': { rows: [mine], total: 1 }, 'GET /api/pairs/t1': pair(mine, { open: [{ do: 'answer', name: n('核实答复', 'Answer'), primary: true, form: { fields: [{ ...note, required: true }] } }] }) } });
    expect(await screen.findByText('请 青榆县人民医院 核实')).toBeInTheDocument();
    expect(screen.getAllByText('外院记录，由核对单位比对').length).toBeGreaterThan(0);
    expect(screen.getByRole('button', { name: '核实答复' })).toBeInTheDocument();
  });
  it('a link is undone with a reason, saying who is told', async () => {
    const done = row('t1', { state: 'accepted', stateKind: 'done', stateName: n('同一人', 'One person') });
    const { asked } = hub(<PersonReviewPage line={line} />, { ...at, path: '/lines/personreview?case=t1', say: { ...say, 'GET /api/pairs/t1': pair(done, { open: [], back: true }), 'POST /api/pairs/t1/take-back': { told: [] } } });
    await userEvent.click(await screen.findByRole('button', { name: '撤销合并' }));
    expect(screen.getByText(/通知相关医院，以及期间经由合并打开过记录的人/)).toBeInTheDocument();
    await userEvent.click(screen.getByRole('radio', { name: /录入差错/ }));
    await userEvent.click(screen.getByRole('button', { name: '撤销合并' }));
    await waitFor(() => expect(asked.find((a) => a.path === '/api/pairs/t1/take-back')?.body).toEqual({ reason: 'typing', note: '' }));
  });
});
