import { act, fireEvent, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, describe, expect, it } from 'vitest';
import { centre, line, row, theCase } from '../../dev/fixtures.ts';
import { hub, refuse } from '../test-hub';
import { CasePage } from './case';
import { LinePage } from './page';
import { check, parameters } from './parameters';
import { stopsOf } from './stepbar';
import { shorts } from './department-picker';
import { HeldBed } from './held-bed';
import { Held } from './held-probe';
import { dueTone, isoSpan, spanOf } from '../words/time';

beforeEach(() => {
  localStorage.clear();
  window.innerWidth = 1366;
});

describe('the worklist', () => {
  it('a row reads patient, what and state', async () => {
    hub(<LinePage line={line} />);
    expect(await screen.findByRole('row', { name: /急危 张三.*胸痛待查.*待接收.*超时/ })).toBeInTheDocument();
  });
  it('j and k move, Enter opens beside the list and the address knows it', async () => {
    hub(<LinePage line={line} />);
    await screen.findByRole('row', { name: /张三.*30岁/ });
    fireEvent.keyDown(window, { key: 'j' });
    fireEvent.keyDown(window, { key: 'j' });
    fireEvent.keyDown(window, { key: 'k' });
    expect(screen.getByRole('row', { current: true })).toHaveTextContent('30岁');
    fireEvent.keyDown(window, { key: 'Enter' });
    expect(screen.getByTestId('where')).toHaveTextContent('case=t0');
    expect(await screen.findByRole('complementary', { name: '详情' })).toBeInTheDocument();
  });
  it('a case about no patient is called by its kind, and one within a house names it once', async () => {
    const pair = row(1, { patient: { reference: '', name: '' }, flow: 'up', from: centre, to: centre, mine: true, stateKind: 'open' });
    hub(<LinePage line={line} />, { say: { 'GET /api/lines/referral/worklist': { rows: [pair], total: 1, next: '', counts: {} } } });
    const drawn = await screen.findByRole('row', { name: /上转/ });
    expect(drawn).not.toHaveTextContent('没有可选的人');
    expect(within(drawn).getAllByText(centre.display)).toHaveLength(1);
  });
  it('? shows the keys', async () => {
    hub(<LinePage line={line} />);
    await screen.findByRole('table');
    fireEvent.keyDown(window, { key: '?' });
    expect(await screen.findByText('下一条 / 上一条')).toBeInTheDocument();
  });
  it('a tab asks the server for that view', async () => {
    const { asked } = hub(<LinePage line={line} />);
    await userEvent.click(await screen.findByRole('tab', { name: /转入/ }));
    await waitFor(() => expect(asked.some((a) => a.path.endsWith('/worklist') && a.search.includes('view=in'))).toBe(true));
  });
  it('nothing moves under the pointer; new rows come when it leaves', async () => {
    hub(<Held />);
    const order = () => screen.getAllByRole('row').slice(1).map((r) => r.textContent);
    const before = order();
    const body = screen.getAllByRole('rowgroup')[1]!;
    fireEvent.mouseEnter(body);
    act(() => screen.getByText('more').click());
    expect(order()).toEqual(before);
    expect(screen.getByRole('status')).toHaveTextContent('有 1 条新的');
    fireEvent.mouseLeave(body);
    expect(order()).toHaveLength(4);
    expect(screen.getAllByRole('row')[1]).toHaveClass('row-new');
  });
});

describe('the case', () => {
  const page = <CasePage line={line} />;
  const at = { path: '/c/t1', route: '/c/:id' };
  it('offers one primary action and the rest in a menu', async () => {
    hub(page, at);
    expect(await screen.findByRole('button', { name: '接诊' })).toBeInTheDocument();
    await userEvent.click(screen.getByRole('button', { name: /其他操作/ }));
    expect(await screen.findByText('转往他院')).toBeInTheDocument();
  });
  it('does not urge to what the flow does not call for', async () => {
    const only = { ...theCase.open![0]!, do: 'managed-outside', name: { zh: '网络外就医', en: 'Managed outside' }, primary: false };
    hub(page, { ...at, say: { 'GET /api/lines/referral/cases/:id': { ...theCase, open: [only] } } });
    expect(await screen.findByRole('button', { name: '网络外就医' })).not.toHaveClass('ant-btn-primary');
  });
  it('a step says what it will do, asks only what it needs, and sends Parameters once', async () => {
    const { asked } = hub(page, { ...at, say: { 'POST /fhir/Task/t1/$accept': { resourceType: 'Task', id: 't1' } } });
    await userEvent.click(await screen.findByRole('button', { name: '接诊' }));
    const form = screen.getByRole('form', { name: '接诊' });
    expect(form).toHaveTextContent('通知申请方安排患者前来');
    expect(within(form).queryByRole('textbox', { name: /建议/ })).not.toBeInTheDocument();
    await userEvent.click(within(form).getByRole('button', { name: '确认接诊' }));
    expect(await within(form).findByText('请填写。')).toBeInTheDocument();
    await userEvent.type(within(form).getByLabelText(/联系电话/), '0731-5550199');
    await userEvent.click(within(form).getByRole('button', { name: '确认接诊' }));
    await waitFor(() => expect(asked.filter((a) => a.path.endsWith('$accept'))).toHaveLength(1));
    const sent = asked.find((a) => a.path.endsWith('$accept'))!;
    expect(sent.body).toEqual({ resourceType: 'Parameters', parameter: [{ name: 'outcome', valueCode: 'clinic' }, { name: 'phone', valueString: '0731-5550199' }] });
    expect(sent.headers['If-Match']).toBe('W/"3"');
    expect(sent.headers['Idempotency-Key']).toMatch(/.{8}/);
  });
  it('a case that has moved says so and keeps what was typed', async () => {
    hub(page, { ...at, say: { 'POST /fhir/Task/t1/$accept': refuse(409, 'conflict', '林芳刚刚处理过') } });
    await userEvent.click(await screen.findByRole('button', { name: '接诊' }));
    await userEvent.type(screen.getByLabelText(/联系电话/), '0731-5550199');
    await userEvent.click(screen.getByRole('button', { name: '确认接诊' }));
    expect(await screen.findByText('情况已变化')).toBeInTheDocument();
    expect(screen.getByText('林芳刚刚处理过')).toBeInTheDocument();
    expect(screen.getByLabelText(/联系电话/)).toHaveValue('0731-5550199');
  });
  it('an ID number is masked until somebody reveals it', async () => {
    const { asked } = hub(page, at);
    await userEvent.click(await screen.findByRole('button', { name: /显示完整 身份证.*会被记录/ }));
    expect(await screen.findByText(/990102196305011234/)).toBeInTheDocument();
    expect(asked.find((a) => a.path.endsWith('/reveal'))?.body).toEqual({ field: 'id' });
  });
  it('shows allergies, the insurance warning and telephones to call', async () => {
    hub(page, at);
    expect(await screen.findByText('青霉素')).toBeInTheDocument();
    expect(screen.getByText('尚未备案，请在出院结算前补办')).toBeInTheDocument();
    expect(screen.getByRole('link', { name: /0731-5550199/ })).toHaveAttribute('href', 'tel:07315550199');
  });
});

describe('the step bar', () => {
  const say = (n: { zh: string }) => n.zh;
  const flow = line.flows[0];
  it('stands at the current state with what is past before it', () => {
    const stops = stopsOf(flow, theCase.row, theCase.path!, say);
    expect(stops.map((s) => [s.label, s.past, s.now])).toEqual([['待接收', true, false], ['已接收', false, true], ['已接诊', false, false], ['已到达', false, false], ['已结案', false, false]]);
  });
  it('a declined case ends where it was declined', () => {
    const stops = stopsOf(flow, row(1, { state: 'declined', stateName: { zh: '未接收' }, stateKind: 'closed' }), theCase.path!, say);
    expect(stops.map((s) => s.label)).toEqual(['待接收', '已接收', '未接收']);
  });
  it('an emergency that skipped a state shows it as skipped', () => {
    const stops = stopsOf(flow, row(1, { state: 'arrived', stateName: { zh: '已到达' } }), theCase.path!, say);
    expect(stops.find((s) => s.code === 'accepted')).toMatchObject({ past: true, skipped: true });
  });
  describe('beside the straight way', () => {
    const state = (code: string, zh: string, kind: 'open' | 'done' | 'closed' = 'open', main = false) => ({ code, name: { zh, en: zh }, kind, main });
    const leads = (to: string, ...from: string[]) => ({ do: to, name: { zh: to, en: to }, from, to, by: 'owner' });
    const up = { code: 'up', name: { zh: '上转', en: 'Up' },
      states: [state('submitted', '待接收', 'open', true), state('received', '已接收', 'open', true), state('accepted', '已接诊', 'open', true), state('no-bed', '待床位'), state('held', '已留床'),
        state('in-transit', '转运中', 'open', true), state('arrived', '已到达', 'open', true), state('departed', '急诊在途'), state('redirected', '已转他院', 'closed')],
      steps: [leads('received', 'submitted'), leads('accepted', 'received'), leads('no-bed', 'received', 'held'), leads('held', 'no-bed'), leads('in-transit', 'accepted', 'held', 'departed'), leads('arrived', 'in-transit'), leads('redirected', 'no-bed', 'held')] };
    it.each([
      ['waits for a bed', ['submitted', 'received', 'no-bed'], '待接收✓ 已接收✓ [待床位] 转运中 已到达'],
      ['has one held', ['submitted', 'received', 'no-bed', 'held'], '待接收✓ 已接收✓ 待床位✓ [已留床] 转运中 已到达'],
      ['waits again after the hold has lapsed', ['submitted', 'received', 'no-bed', 'held', 'no-bed'], '待接收✓ 已接收✓ 已留床✓ [待床位] 转运中 已到达'],
      ['is on the way with a bed', ['submitted', 'received', 'no-bed', 'held', 'in-transit'], '待接收✓ 已接收✓ 待床位✓ 已留床✓ [转运中] 已到达'],
      ['set out at once', ['submitted', 'departed', 'in-transit'], '待接收✓ 急诊在途✓ [转运中] 已到达'],
      ['needed no bed', ['submitted', 'received', 'accepted', 'in-transit'], '待接收✓ 已接收✓ 已接诊✓ [转运中] 已到达'],
      ['was sent on for want of a bed', ['submitted', 'received', 'no-bed', 'redirected'], '待接收✓ 已接收✓ 待床位✓ [已转他院]'],
    ])('a case that %s', (_, states, want) => {
      const of = (code: string) => up.states.find((s) => s.code === code)!;
      const path = states.map((code, i) => ({ state: code, stateName: of(code).name, at: `2026-11-23T0${i}:00:00Z` }));
      const at = of(states.at(-1)!);
      const stops = stopsOf(up, row(1, { state: at.code, stateName: at.name, stateKind: at.kind }), path, say);
      expect(stops.map((s) => (s.now ? `[${s.label}]` : s.label + (s.skipped ? '~' : s.past ? '✓' : ''))).join(' ')).toBe(want);
    });
    it('a stay that was left and come back to shows the stay alone', () => {
      const stay = { ...up, states: [state('in-bed', '在床', 'open', true), state('leaving', '待出院', 'open', true), state('away', '离床')], steps: [leads('away', 'in-bed'), leads('in-bed', 'away'), leads('leaving', 'in-bed')] };
      const path = ['in-bed', 'away', 'in-bed', 'leaving'].map((code, i) => ({ state: code, stateName: { zh: code, en: code }, at: `2026-11-23T0${i}:00:00Z` }));
      expect(stopsOf(stay, row(1, { state: 'leaving', stateName: { zh: '待出院' }, stateKind: 'open' }), path, say).map((s) => s.label)).toEqual(['在床', '待出院']);
    });
  });
});

describe('forms', () => {
  const form = { fields: [
    { name: 'to', label: { zh: '转往' }, type: 'organization' as const, required: true },
    { name: 'phone', label: { zh: '电话' }, type: 'phone' as const, required: true, waivedInEmergency: true },
    { name: 'red-flags', label: { zh: '危险信号' }, type: 'text' as const, repeats: true },
    { name: 'documents', label: { zh: '资料' }, type: 'documents' as const },
    { name: 'place', label: { zh: '地点' }, type: 'text' as const, required: true, showIf: { field: 'urgency', in: ['urgent'] } },
  ] };
  it.each([
    ['what is required is asked for', { urgency: 'routine' }, { to: 'choose', phone: 'fill' }],
    ['an emergency waives the telephone', { urgency: 'emergency' }, { to: 'choose' }],
    ['a telephone needs digits', { to: { reference: 'Organization/1' }, phone: 'abc' }, { phone: 'phone' }],
    ['what is not shown is not asked for', { to: { reference: 'Organization/1' }, phone: '0731-5550199' }, {}],
    ['what is shown is', { urgency: 'urgent', to: { reference: 'Organization/1' }, phone: '0731-5550199' }, { place: 'fill' }],
  ])('%s', (_, values, wrong) => expect(check(form, values)).toEqual(wrong));
  it('writes one parameter an answer, several for a repeated one', () => {
    expect(parameters(form, { to: { reference: 'Organization/1' }, 'red-flags': '胸痛\n\n气促', documents: [{ reference: 'DocumentReference/1' }, { reference: 'DocumentReference/2' }] }).parameter).toEqual([
      { name: 'to', valueReference: { reference: 'Organization/1' } },
      { name: 'red-flags', valueString: '胸痛' }, { name: 'red-flags', valueString: '气促' },
      { name: 'documents', valueReference: { reference: 'DocumentReference/1' } }, { name: 'documents', valueReference: { reference: 'DocumentReference/2' } },
    ]);
  });
});

describe('departments', () => {
  it.each([
    ['the hospital’s name', ['甲医院心内科', '甲医院急诊科'], '甲医院', ['心内科', '急诊科']],
    ['its other name', ['区域医疗中心心内科', '区域医疗中心急诊科'], '甲医院', ['心内科', '急诊科']],
    ['what only begins alike stays', ['神经内科', '神经外科'], '甲医院', ['神经内科', '神经外科']],
    ['one alone stays', ['区域医疗中心心内科'], '甲医院', ['区域医疗中心心内科']],
  ])('%s is left away', (_, names, home, want) => expect(shorts(names, home)).toEqual(want));
});

describe('a case and its bed', () => {
  const at = (m: number) => new Date(Date.now() + m * 60_000).toISOString();
  const said = (state: string, outcome: Record<string, unknown>, kind: 'open' | 'closed' = 'open') => {
    const { container } = hub(<HeldBed data={{ ...theCase, row: { ...theCase.row, state, stateKind: kind }, outcome }} />);
    return container.querySelector('.held-bed')?.textContent ?? '';
  };
  it('says which bed is held and how long still', () => {
    expect(said('bed-held', { bed: { reference: 'Location/b1', display: '心内一病区 12 床' }, 'bed-arrival': at(20), 'bed-until': at(80.5) })).toMatch(/已留床心内一病区 12 床约定 .* 到还剩 1小时20分（.*自动释放）/);
  });
  it('on the way it does not lapse', () => expect(said('in-transit', { bed: { reference: 'Location/b1', display: '12 床' } })).toBe('已留床12 床不会逾期释放'));
  it('without a bed it says how long he waits and what was promised', () => {
    expect(said('accepted-no-bed', { 'waiting-since': at(-125.5) })).toBe('待床位已候 2小时05分尚未承诺时间');
    expect(said('accepted-no-bed', { 'waiting-since': at(-10.5), 'bed-promised': at(-5) })).toMatch(/承诺 .* 前有床 已超过$/);
  });
  it('is silent where no bed is concerned, and when all is over', () => {
    expect(said('received', { text: 'x' })).toBe('');
    expect(said('closed', { bed: { reference: 'Location/b1' } }, 'closed')).toBe('');
  });
  it('a form writes a bed as a reference', () => {
    expect(parameters({ fields: [{ name: 'bed', label: { zh: '床位' }, type: 'bed' }] }, { bed: { reference: 'Location/b1', display: '12 床' } }).parameter).toEqual([{ name: 'bed', valueReference: { reference: 'Location/b1', display: '12 床' } }]);
  });
});

describe('time', () => {
  const start = '2026-01-01T08:00:00Z';
  const due = '2026-01-01T10:00:00Z';
  it.each([['08:30', 'calm'], ['09:29', 'calm'], ['09:30', 'soon'], ['09:59', 'soon'], ['10:00', 'late']])('at %s it is %s', (at, tone) =>
    expect(dueTone(due, start, Date.parse(`2026-01-01T${at}:00Z`))).toBe(tone));
  it.each([[5 * 60_000, '5分'], [65 * 60_000, '1小时05分'], [51 * 3600_000, '2天3小时']])('%d ms is %s', (ms, said) => expect(spanOf(ms)).toBe(said));
  it('reads the server’s spans', () => expect(isoSpan('P1DT2H3M')).toBe('1天2小时'));
});
