import { act, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { Line } from '../../../web/src/fhir/types';
import { useLive } from '../../../web/src/shell/live';
import { me } from '../../../web/dev/fixtures.ts';
import { hub, refuse } from '../../../web/src/test-hub';
import type { Bed, Board, Proposal, Waiter } from './api';
import { arrange, bedPasses, merge, narrowed, placeOf, plainly, tails, whereIs } from './data';
import { flows } from './discharges';
import { inTurn, isLate } from './live';
import BedPoolPage, { firstTab } from './page';
import { elsewhere, mine } from './ward';

const n = (zh: string, en: string) => ({ zh, en });
const inMinutes = (m: number) => new Date(Date.now() + m * 60_000).toISOString();
const bed = (id: string, more: Partial<Bed> = {}): Bed => ({ id: `Location/${id}`, name: `${id.replace(/\D/g, '')} 床`, ward: 'Location/w1', room: 'Location/r1', level: 'general', state: 'free', ...more });
const board: Board = {
  at: inMinutes(0), since: '7', whole: true,
  campuses: [{ id: 'Location/east', name: '东湖院区' }, { id: 'Location/new', name: '新城院区' }],
  wards: [
    { id: 'Location/w2', org: 'Organization/neph', name: '肾内科病区', campus: 'Location/new', lends: false, kinds: [], stale: true },
    { id: 'Location/w1', org: 'Organization/card', name: '心内一病区', campus: 'Location/east', lends: true, capacity: 40, load: 36, group: 'med', specialties: ['0301'] },
  ],
  rooms: [{ id: 'Location/r1', name: '301', rule: 'male' }, { id: 'Location/r2', name: '302', rule: 'female' }, { id: 'Location/r3', name: '801', rule: 'mixed' }],
  beds: [
    bed('b10', { equipment: ['monitor', 'oxygen'] }), bed('b2'), bed('b4', { room: 'Location/r2', state: 'cleaning', until: inMinutes(20) }),
    bed('b5', { room: 'Location/r2', state: 'held', until: inMinutes(60), expected: inMinutes(30), occupant: { task: 'Task/r9', line: 'referral', name: '周*' } }),
    bed('b6', { room: 'Location/r2', state: 'lent', until: inMinutes(1), likely: 0.9, occupant: { task: 'Task/s6', line: 'bedpool', name: '陈*', sex: 'female', age: 70, home: 'Organization/neph', homeName: '肾内科', team: '王组' } }),
    bed('b81', { ward: 'Location/w2', room: 'Location/r3', state: 'closed', reason: '检修' }),
  ],
};
const waiter = (id: string, more: Partial<Waiter> = {}): Waiter => ({
  task: `Task/${id}`, line: 'bedpool', flow: 'admission', version: '4', patient: { reference: `Patient/${id}`, name: '张*', sex: 'male', age: 63 },
  needs: { urgency: 'urgent', sex: 'male', specialty: '0301', specialtyName: '心血管内科', level: 'general', equipment: ['monitor'] }, since: inMinutes(-120), promised: inMinutes(90), ...more,
});
const late = waiter('w2', { patient: { name: '李*', sex: 'female', age: 40 }, needs: { urgency: 'emergency', sex: 'female' }, since: inMinutes(-30), promised: inMinutes(-5) });
const proposals: Proposal[] = [
  { request: 'Task/w1', bed: 'Location/b10', cost: 3, zh: '本病区有监护床', en: 'monitored bed in the own ward' },
  { request: 'Task/w2', bed: '', cost: 0, zh: '没有女室空床', en: 'no free bed in a women’s room' },
];
const line: Line = { slug: 'bedpool', name: n('全院一张床', 'One pool of beds'), counts: { waiting: 2, late: 1, open: 5, mineLate: 0 }, views: [], flows: [], start: [
  { flow: 'admission', name: n('住院申请', 'Admission'), form: { fields: [] } }, { flow: 'observation', name: n('急诊留观', 'Observation'), form: { fields: [] } }] };
const say = {
  'GET /api/beds/pools': { pools: [{ id: 'Organization/centre', name: '区域医疗中心' }] },
  'GET /api/beds/board': board, 'GET /api/beds/waiting': { rows: [waiter('w1'), late] }, 'GET /api/beds/proposals': { proposals },
  'GET /api/beds/why': { fits: ['Location/b10'], against: { equipment: ['Location/b2'], taken: ['Location/b4', 'Location/b5', 'Location/b6'], closed: ['Location/b81'] } },
};
const at = (path: string, more = {}) => ({ path: `/lines/bedpool${path}`, route: '/lines/bedpool/*', say: { ...say, ...more } });
beforeEach(() => localStorage.clear());

describe('the board’s data', () => {
  it('stands in the order of people: campus, ward, room, bed by number', () => {
    const v = arrange(board);
    expect(v.wards.map((w) => w.ward.name)).toEqual(['心内一病区', '肾内科病区']);
    expect(v.wards[0]!.beds.map((b) => b.name)).toEqual(['2 床', '10 床', '4 床', '5 床', '6 床']);
    expect(v.counts).toEqual({ free: 2, held: 1, occupied: 0, cleaning: 1, closed: 1, lent: 1 });
    expect(placeOf(whereIs(v, 'Location/b10'))).toBe('心内一病区 10 床');
  });
  it('names campuses by what tells them apart', () => {
    expect(tails(['区域医疗中心东湖院区', '区域医疗中心新城院区'])).toEqual(['东湖院区', '新城院区']);
    expect(tails(['东湖院区'])).toEqual(['东湖院区']);
    expect(tails(['甲', '甲乙'])).toEqual(['甲', '乙']);
  });
  it('draws anew only the ward in which something changed', () => {
    const before = arrange(board);
    const after = merge(before, { at: '', since: '8', whole: false, beds: [bed('b2', { state: 'held' })] });
    expect(after.counts).toMatchObject({ free: 1, held: 2 });
    expect(after.wards[1]).toBe(before.wards[1]);
    expect(after.wards[0]).not.toBe(before.wards[0]);
    expect(after.byBed.get('Location/b10')).toBe(before.byBed.get('Location/b10'));
    expect(after.since).toBe('8');
    const same = merge(after, { at: '', since: '9', whole: false, beds: [] });
    expect(same.wards).toBe(after.wards);
  });
  it('a bed that moves to another ward leaves the old one, a new one joins', () => {
    const v = merge(arrange(board), { at: '', since: '8', whole: false, beds: [bed('b2', { ward: 'Location/w2', room: 'Location/r3' }), bed('b99', { ward: 'Location/w2', room: 'Location/r3' })] });
    expect(v.wards[0]!.beds.map((b) => b.id)).not.toContain('Location/b2');
    expect(v.wards[1]!.beds.map((b) => b.name)).toEqual(['2 床', '81 床', '99 床']);
  });
  it.each([
    ['a campus', { campus: 'Location/new' }, ['81 床']],
    ['a group', { group: 'med' }, ['2 床', '10 床', '4 床', '5 床', '6 床']],
    ['a state', { state: 'free' }, ['2 床', '10 床']],
    ['a ward’s name', { text: '肾内' }, ['81 床']],
    ['a patient’s name', { text: '陈' }, ['6 床']],
    ['what nobody has', { text: '骨科' }, []],
  ])('is narrowed to %s', (_, f, want) => {
    expect(narrowed(arrange(board).wards, f).flatMap((w) => w.beds.map((b) => b.name))).toEqual(want);
  });
  it('a filter on beds alone leaves other beds out', () => {
    const v = arrange(board);
    expect(bedPasses(v.byBed.get('Location/b2')!, v.wards[0]!, { level: 'icu' })).toBe(false);
  });
  it.each([
    ['closed', bed('x', { state: 'closed' }), {}, 'closed'],
    ['taken', bed('x', { state: 'occupied' }), {}, 'taken'],
    ['equipment', bed('x'), { equipment: ['monitor'] }, 'equipment'],
    ['negative pressure', bed('x', { equipment: ['oxygen'] }), { isolation: 'airborne' }, 'isolation'],
    ['level', bed('x'), { level: 'icu' }, 'level'],
    ['a better bed will do', bed('x', { level: 'hdu' }), { level: 'general' }, ''],
    ['an isolation bed is for isolation', bed('x', { level: 'isolation' }), { level: 'general' }, 'level'],
    ['sex', bed('x'), { sex: 'female' }, 'sex'],
    ['fits', bed('x'), { sex: 'male' }, ''],
  ] as const)('says at a glance: %s', (_, b, needs, want) => {
    expect(plainly(b, board.rooms![0], { urgency: 'urgent', ...needs } as Waiter['needs'])).toBe(want);
  });
  it('serves emergencies first, then who waits longest', () => {
    const rows = [waiter('a', { since: '2026-01-02' }), waiter('b', { since: '2026-01-01' }), late];
    expect(inTurn(rows).map((w) => w.task)).toEqual(['Task/w2', 'Task/b', 'Task/a']);
    expect(isLate(late, Date.now())).toBe(true);
    expect(isLate(waiter('x', { promised: inMinutes(-5), booking: { thing: 'Location/b1', state: 'held' } }), Date.now())).toBe(false);
  });
  it('a day begins where the role works', () => {
    expect([firstTab('bed-desk'), firstTab('head-nurse'), firstTab('nursing-duty'), firstTab('leader')]).toEqual(['board', 'ward', 'board', 'leader']);
  });
  it('knows the movement of the day and who lies elsewhere', () => {
    const v = arrange(board);
    const day = flows(v, Date.now());
    expect([day.leaving, day.coming, day.cleaning].map((l) => l.map((p) => p.bed.name))).toEqual([new Date(Date.now() + 60_000).getDate() === new Date().getDate() ? ['6 床'] : [], ['5 床'], ['4 床']]);
    expect(mine(v, 'Organization/neph')?.ward.name).toBe('肾内科病区');
    expect(elsewhere(v, v.wards[1]!).map((b) => b.name)).toEqual(['6 床']);
  });
});

describe('the board', () => {
  it('shows wards, signs, loads and who waits, the late one first', async () => {
    hub(<BedPoolPage line={line} />, at('/board'));
    const ward = await screen.findByRole('region', { name: '心内一病区' });
    expect(within(ward).getByRole('img', { name: '护理负荷 36 / 40' })).toBeInTheDocument();
    expect(within(ward).getByRole('button', { name: /^10 ?空/ })).toHaveAttribute('title', '10 床 空闲；监护仪、供氧');
    expect(within(ward).getByRole('button', { name: /^6 ?借/ })).toHaveAttribute('title', expect.stringContaining('主管：肾内科'));
    expect(within(screen.getByRole('region', { name: '肾内科病区' })).getByText('班次未报')).toBeInTheDocument();
    const list = await screen.findByRole('list', { name: '候床' });
    const rows = within(list).getAllByRole('listitem');
    expect(rows[0]).toHaveTextContent(/急诊 李\* 女 40 岁.*已超承诺/);
    expect(await within(list).findByText('没有女室空床')).toBeInTheDocument();
    expect(within(list).getByText('→ 心内一病区 10 床')).toBeInTheDocument();
  });
  it('a waiter in hand shows which beds fit; the hold says what it does and is undone', async () => {
    const { asked } = hub(<BedPoolPage line={line} />, at('/board', { 'POST /fhir/Task/w1/$hold-bed': {}, 'GET /fhir/Task/w1': { meta: { versionId: '5' } }, 'POST /fhir/Task/w1/$release-bed': {} }));
    await userEvent.click(await screen.findByRole('button', { name: /紧急.*张\*/ }));
    const tile = await screen.findByRole('button', { name: /^10 ?空/ });
    await waitFor(() => expect(tile).toHaveClass('tile-fits'));
    expect(screen.getByRole('button', { name: /^2 ?空/ })).toHaveAttribute('title', expect.stringContaining('不适合：缺少所需设备'));
    await userEvent.click(tile);
    const form = await screen.findByRole('form', { name: '留床' });
    expect(form).toHaveTextContent('心内一病区 10 床');
    expect(form).toHaveTextContent('留到预计到达后 1 小时');
    await waitFor(() => expect(within(form).getByRole('button', { name: '留床' })).toBeEnabled());
    await userEvent.click(within(form).getByRole('button', { name: '留床' }));
    await waitFor(() => expect(asked.some((a) => a.path === '/fhir/Task/w1/$hold-bed')).toBe(true));
    const sent = asked.find((a) => a.path === '/fhir/Task/w1/$hold-bed')!;
    expect(sent.headers['If-Match']).toBe('W/"4"');
    expect(sent.body).toMatchObject({ resourceType: 'Parameters', parameter: [{ name: 'bed', valueReference: { reference: 'Location/b10' } }, { name: 'expected' }] });
    await userEvent.click(await screen.findByRole('button', { name: '撤销' }));
    await waitFor(() => expect(asked.find((a) => a.path === '/fhir/Task/w1/$release-bed')?.headers['If-Match']).toBe('W/"5"'));
  });
  it('a hard rule is refused in words, and there is no way past it', async () => {
    hub(<BedPoolPage line={line} />, at('/board', { 'GET /api/beds/why': { objections: [{ code: 'sex', zh: '该病室现住女患者', en: 'women lie there' }] } }));
    await userEvent.click(await screen.findByRole('button', { name: /紧急.*张\*/ }));
    await userEvent.click(screen.getByRole('button', { name: /^10 ?空/ }));
    expect(await screen.findByRole('alert')).toHaveTextContent('不可放宽 该病室现住女患者');
    expect(screen.queryByRole('button', { name: '留床' })).not.toBeInTheDocument();
    expect(screen.getByRole('button', { name: '换一张' })).toBeInTheDocument();
  });
  it('a limit is set aside with a reason by who may', async () => {
    const { asked } = hub(<BedPoolPage line={line} />, at('/board', { 'GET /api/beds/why': { objections: [{ code: 'limit', zh: '该医疗组已借 6 张床', en: 'six lent', override: true }] } }));
    await userEvent.click(await screen.findByRole('button', { name: /紧急.*张\*/ }));
    await userEvent.click(screen.getByRole('button', { name: /^10 ?空/ }));
    const form = await screen.findByRole('form', { name: '留床' });
    const go = await within(form).findByRole('button', { name: '留床' });
    await userEvent.click(await within(form).findByRole('checkbox', { name: /放宽.*已借 6 张床/ }));
    expect(go).toBeDisabled();
    await userEvent.type(within(form).getByLabelText('理由'), '急诊多发伤');
    await userEvent.click(go);
    await waitFor(() => expect(asked.find((a) => a.path === '/fhir/Task/w1/$hold-bed')?.body).toMatchObject({ parameter: [{ name: 'bed' }, { name: 'expected' }, { name: 'override', valueCode: 'limit' }, { name: 'reason', valueString: '急诊多发伤' }] }));
  });
  it('who comes second is told in words, and the board corrects itself', async () => {
    const { asked } = hub(<BedPoolPage line={line} />, at('/board', { 'POST /fhir/Task/w1/$hold-bed': refuse(409, 'taken', '10 床刚由林芳留给周*') }));
    await userEvent.click(await screen.findByRole('button', { name: /紧急.*张\*/ }));
    await userEvent.click(screen.getByRole('button', { name: /^10 ?空/ }));
    const form = await screen.findByRole('form', { name: '留床' });
    await waitFor(() => expect(within(form).getByRole('button', { name: '留床' })).toBeEnabled());
    const before = asked.filter((a) => a.path === '/api/beds/board').length;
    await userEvent.click(within(form).getByRole('button', { name: '留床' }));
    expect(await within(form).findByRole('alert')).toHaveTextContent('10 床刚由林芳留给周*');
    await waitFor(() => expect(asked.filter((a) => a.path === '/api/beds/board').length).toBeGreaterThan(before));
    expect(asked.filter((a) => a.path === '/api/beds/board').at(-1)!.search).toContain('since=7');
  });
  it('an emergency takes a held bed, with a reason', async () => {
    const { asked } = hub(<BedPoolPage line={line} />, at('/board', { 'GET /api/beds/why': { objections: [{ code: 'taken', zh: '已留给他人', en: 'held' }] } }));
    await userEvent.click(await screen.findByRole('button', { name: /急诊.*李\*/ }));
    await userEvent.click(screen.getByRole('button', { name: /^5 ?留/ }));
    const form = await screen.findByRole('form', { name: '留床' });
    expect(await within(form).findByText('急诊征用：周*退回候床，并重新承诺')).toBeInTheDocument();
    await userEvent.type(within(form).getByLabelText('理由'), '心梗');
    await userEvent.click(within(form).getByRole('button', { name: '急诊征用' }));
    await waitFor(() => expect(asked.find((a) => a.path === '/fhir/Task/w2/$take-bed')?.body).toEqual({ resourceType: 'Parameters', parameter: [{ name: 'bed', valueReference: { reference: 'Location/b5', display: '心内一病区 5 床' } }, { name: 'reason', valueString: '心梗' }] }));
  });
  it('a bed that is cleaned is free at a click; closing asks why', async () => {
    const { asked } = hub(<BedPoolPage line={line} />, at('/board'));
    await userEvent.click(await screen.findByRole('button', { name: /^4 ?洁/ }));
    const panel = await screen.findByRole('region', { name: '心内一病区 4 床' });
    await userEvent.click(within(panel).getByRole('button', { name: '停用' }));
    await userEvent.type(within(panel).getByLabelText('理由'), '设备故障');
    await userEvent.click(within(panel).getByRole('button', { name: '停用' }));
    await waitFor(() => expect(asked.find((a) => a.path === '/api/beds/state')?.body).toEqual({ bed: 'Location/b4', state: 'closed', reason: '设备故障' }));
    await userEvent.click(within(panel).getByRole('button', { name: '清洁完成' }));
    await waitFor(() => expect(asked.filter((a) => a.path === '/api/beds/state').at(-1)?.body).toMatchObject({ state: 'free' }));
  });
  it('keys: next waiter, its proposal, put down', async () => {
    hub(<BedPoolPage line={line} />, at('/board'));
    await screen.findByText('→ 心内一病区 10 床');
    await userEvent.keyboard('jj');
    expect(screen.getByRole('button', { name: /紧急.*张\*/ })).toHaveAttribute('aria-pressed', 'true');
    await userEvent.keyboard('a');
    expect(await screen.findByRole('form', { name: '留床' })).toHaveTextContent('10 床');
    await userEvent.keyboard('{Escape}{Escape}');
    await waitFor(() => expect(screen.queryByRole('form', { name: '留床' })).not.toBeInTheDocument());
  });
  it('who sees no waiting list sees the beds alone', async () => {
    hub(<BedPoolPage line={line} />, at('/board', { 'GET /api/beds/waiting': refuse(403, 'forbidden', '候床名单由床位调配中心查看') }));
    expect(await screen.findByRole('region', { name: '心内一病区' })).toBeInTheDocument();
    await waitFor(() => expect(screen.queryByRole('list', { name: '候床' })).not.toBeInTheDocument());
  });
  it('asks for what changed as the stream tells, and for all of it after a break', async () => {
    const sources: { onopen?: () => void; onerror?: () => void; heard: Record<string, (e: { data: string }) => void>; close: () => void; readyState: number }[] = [];
    vi.stubGlobal('EventSource', class {
      heard: Record<string, (e: { data: string }) => void> = {};
      readyState = 1;
      onopen?: () => void;
      onerror?: () => void;
      constructor() {
        sources.push(this);
      }
      addEventListener(k: string, f: (e: { data: string }) => void) {
        this.heard[k] = f;
      }
      close() {}
    });
    function Live() {
      useLive(me, ignore);
      return <BedPoolPage line={line} />;
    }
    const ignore = () => {};
    const { asked } = hub(<Live />, at('/board'));
    await screen.findByRole('region', { name: '心内一病区' });
    const boards = () => asked.filter((a) => a.path === '/api/beds/board').length;
    const before = boards();
    act(() => sources[0]!.heard.notice!({ data: JSON.stringify({ seq: 9, kind: 'booking.held', focus: 'Task/x', text: n('', '') }) }));
    await waitFor(() => expect(boards()).toBe(before + 1));
    act(() => {
      sources[0]!.onerror?.();
      sources[0]!.onopen?.();
    });
    await waitFor(() => expect(boards()).toBe(before + 2));
    vi.unstubAllGlobals();
  });
});

describe('places reserved for a day', () => {
  const placed = waiter('d1', { patient: { name: '吴*', sex: 'male', age: 58 }, needs: { urgency: 'elective', sex: 'male' }, booking: { thing: 'capacity:Organization/centre/med/general/male#0', state: 'held', from: inMinutes(-400), due: true } });
  const routine = waiter('w1', { needs: { ...waiter('w1').needs, urgency: 'elective' } });
  const other = waiter('d2', { ...placed, task: 'Task/d2', patient: { name: '孙*', sex: 'male', age: 49 } });
  const later = waiter('d3', { patient: { name: '钱*', sex: 'male', age: 50 }, booking: { thing: 'capacity:Organization/centre/med/general/male#1', state: 'held', from: '2027-01-05T00:00:00+08:00' } });
  const morning = {
    'GET /api/beds/waiting': { rows: [waiter('w1'), placed, other, later] },
    'GET /api/beds/proposals': { proposals: [{ request: 'Task/d1', bed: 'Location/b10', cost: 3, zh: '建议 10 床：本病区', en: 'own ward', due: true }, { request: 'Task/d2', bed: 'Location/b2', cost: 3, zh: '建议 2 床：本病区', en: 'own ward', due: true }] },
    'POST /fhir/Task/d1/$bind-bed': {}, 'POST /fhir/Task/d2/$bind-bed': {},
  };
  it('stand under one heading with the beds proposed, are bound one by one, and nothing by itself', async () => {
    const { asked } = hub(<BedPoolPage line={line} />, at('/board', morning));
    const due = await screen.findByRole('region', { name: '今日待落实床位 2' });
    expect(within(due).getAllByRole('listitem')).toHaveLength(2);
    expect(within(screen.getByRole('list', { name: '候床' })).queryByText('吴*')).toBeNull();
    await userEvent.click((await within(due).findAllByRole('button', { name: '落实' }))[0]!);
    await waitFor(() => expect(asked.filter((a) => a.method === 'POST').map((a) => a.path)).toEqual(['/fhir/Task/d1/$bind-bed']));
    expect(asked.find((a) => a.path.endsWith('$bind-bed'))!.body).toMatchObject({ parameter: [{ name: 'bed', valueReference: { reference: 'Location/b10' } }] });
    expect(await screen.findByText('已为 吴* 落实 心内一病区 10 床')).toBeInTheDocument();
    expect(screen.queryByRole('button', { name: '撤销' })).toBeNull();
  });
  it.each(['/board', '/waiting'])('are bound all at once after one look, on %s', async (tab) => {
    const { asked } = hub(<BedPoolPage line={line} />, at(tab, morning));
    await userEvent.click(await screen.findByRole('button', { name: '全部落实 2' }));
    const look = await screen.findByRole('dialog');
    expect(look).toHaveTextContent('吴* 男 58 岁 → 心内一病区 10 床');
    await userEvent.click(within(look).getByRole('button', { name: '全部落实 2' }));
    await waitFor(() => expect(asked.filter((a) => a.path.endsWith('$bind-bed')).map((a) => a.path)).toEqual(['/fhir/Task/d1/$bind-bed', '/fhir/Task/d2/$bind-bed']));
    expect(await screen.findByText('已落实 2 / 2 张')).toBeInTheDocument();
  });
  it('another bed than the proposed one is bound by picking and tapping it', async () => {
    const { asked } = hub(<BedPoolPage line={line} />, at('/board', { ...morning, 'GET /api/beds/why': { fits: ['Location/b2', 'Location/b10'], objections: [] } }));
    await userEvent.click(await screen.findByRole('button', { name: /择期.*吴\*/ }));
    await userEvent.click(screen.getByRole('button', { name: /^2 ?空/ }));
    const form = await screen.findByRole('form', { name: '留床' });
    expect(within(form).queryByLabelText('预计到达')).toBeNull();
    await userEvent.click(await within(form).findByRole('button', { name: '落实' }));
    await waitFor(() => expect(asked.find((a) => a.path === '/fhir/Task/d1/$bind-bed')?.body).toMatchObject({ parameter: [{ name: 'bed', valueReference: { reference: 'Location/b2' } }] }));
  });
  it('before its day a place becomes no bed', async () => {
    hub(<BedPoolPage line={line} />, at('/board', morning));
    await userEvent.click(await screen.findByRole('button', { name: /钱\*/ }));
    await userEvent.click(screen.getByRole('button', { name: /^2 ?空/ }));
    const form = await screen.findByRole('form', { name: '留床' });
    expect(form).toHaveTextContent('已预留 2027-01-05 的名额，当日早上再落实床位');
    expect(within(form).queryByRole('button', { name: '落实' })).toBeNull();
  });
  it('are reserved from the board: pick the waiter, say the day', async () => {
    const { asked } = hub(<BedPoolPage line={line} />, at('/board', { 'GET /api/beds/waiting': { rows: [routine, late] }, 'POST /fhir/Task/w1/$hold-bed': {} }));
    await userEvent.click(await screen.findByRole('button', { name: /择期.*张\*/ }));
    await userEvent.click(await screen.findByRole('button', { name: '预留名额' }));
    const form = await screen.findByRole('form', { name: '预留名额' });
    const day = within(form).getByLabelText('入院日期');
    await userEvent.clear(day);
    await userEvent.type(day, '2027-01-05');
    await userEvent.click(within(form).getByRole('button', { name: '预留名额' }));
    await waitFor(() => expect(asked.find((a) => a.path === '/fhir/Task/w1/$hold-bed')?.body).toEqual({ resourceType: 'Parameters',
      parameter: [{ name: 'reserve', valueBoolean: true }, { name: 'date', valueDate: '2027-01-05' }, { name: 'level', valueCode: 'general' }, { name: 'sex', valueCode: 'male' }] }));
    expect(await screen.findByText('已为 张* 预留 2027-01-05 的名额')).toBeInTheDocument();
  });
  it('no place left is said in words', async () => {
    hub(<BedPoolPage line={line} />, at('/board', { 'GET /api/beds/waiting': { rows: [routine] }, 'POST /fhir/Task/w1/$hold-bed': refuse(409, 'taken', '这一天没有名额了') }));
    await userEvent.click(await screen.findByRole('button', { name: /择期.*张\*/ }));
    await userEvent.click(await screen.findByRole('button', { name: '预留名额' }));
    const form = await screen.findByRole('form', { name: '预留名额' });
    await userEvent.click(within(form).getByRole('button', { name: '预留名额' }));
    expect(await within(form).findByRole('alert')).toHaveTextContent(/没有可预留的名额.*请换一天/);
  });
  it('are for those who can wait: an emergency is offered none', async () => {
    hub(<BedPoolPage line={line} />, at('/board'));
    await userEvent.click(await screen.findByRole('button', { name: /急诊.*李\*/ }));
    expect(screen.queryByRole('button', { name: '预留名额' })).toBeNull();
  });
  it('who has a bed stands below those who wait, with his bed; picking him shows it', async () => {
    const has = waiter('h1', { patient: { name: '赵*', sex: 'female', age: 60 }, needs: { urgency: 'emergency' }, booking: { thing: 'Location/b5', state: 'held' } });
    hub(<BedPoolPage line={line} />, at('/board', { 'GET /api/beds/waiting': { rows: [has, waiter('w1')] } }));
    const rows = within(await screen.findByRole('list', { name: '候床' })).getAllByRole('listitem');
    expect(rows.map((r) => r.textContent!.slice(0, 6))).toEqual(['紧急 张* ', '已留床 1', '急诊 赵* ']);
    expect(rows[2]).toHaveTextContent('已留 心内一病区 5 床 · 不会逾期释放');
    expect(screen.getByRole('heading', { name: '候床 1' })).toBeInTheDocument();
    await userEvent.click(screen.getByRole('button', { name: /赵\*/ }));
    expect(await screen.findByRole('region', { name: '心内一病区 5 床' })).toBeInTheDocument();
    expect(screen.queryByRole('form', { name: '留床' })).toBeNull();
  });
  it('the bed proposed is marked on the board; a narrowed ward counts all its beds', async () => {
    hub(<BedPoolPage line={line} />, at('/board'));
    await screen.findByText('→ 心内一病区 10 床');
    await userEvent.click(screen.getByRole('button', { name: /紧急.*张\*/ }));
    expect(screen.getByRole('button', { name: /^10 ?空/ })).toHaveAttribute('title', expect.stringContaining('建议床位'));
    await userEvent.click(await screen.findByRole('button', { name: '只看可用' }));
    await waitFor(() => expect(screen.queryByRole('button', { name: /^2 ?空/ })).toBeNull());
    expect(screen.getByRole('region', { name: '心内一病区' })).toHaveTextContent('空 2 / 5');
  });
  it('shows only the beds that fit, where one asks for it', async () => {
    hub(<BedPoolPage line={line} />, at('/board'));
    await userEvent.click(await screen.findByRole('button', { name: /紧急.*张\*/ }));
    await userEvent.click(await screen.findByRole('button', { name: '只看可用' }));
    await waitFor(() => expect(screen.queryByRole('button', { name: /^2 ?空/ })).toBeNull());
    expect(screen.getByRole('button', { name: /^10 ?空/ })).toBeInTheDocument();
  });
  it('says until when a bed is held by the hospital’s own rule', async () => {
    hub(<BedPoolPage line={line} />, at('/board', { 'GET /api/beds/board': { ...board, holds: { soon: ['emergency', 'urgent'], grace: '1h30m', assumed: '1h', by: '20:00' } } }));
    await userEvent.click(await screen.findByRole('button', { name: /紧急.*张\*/ }));
    await userEvent.click(screen.getByRole('button', { name: /^10 ?空/ }));
    await waitFor(() => expect(screen.getByRole('form', { name: '留床' })).toHaveTextContent('留到预计到达后 1 小时 30 分钟'));
  });
});

describe('the other tabs', () => {
  it('the waiting list says why, until when, and takes all proposals at once', async () => {
    const { asked } = hub(<BedPoolPage line={line} />, at('/waiting', { 'GET /api/beds/waiting': { rows: [waiter('w1', { reasonName: n('缺监护床', 'no monitored bed') }), late] } }));
    expect(await screen.findByText('缺监护床')).toBeInTheDocument();
    expect(await screen.findByText('没有女室空床')).toBeInTheDocument();
    await userEvent.click(await screen.findByRole('button', { name: '采纳全部 1 条' }));
    const ask = await screen.findByRole('dialog');
    expect(ask).toHaveTextContent('张* 男 63 岁 → 心内一病区 10 床');
    await userEvent.click(within(ask).getByRole('button', { name: '采纳全部 1 条' }));
    await waitFor(() => expect(asked.some((a) => a.path === '/fhir/Task/w1/$hold-bed')).toBe(true));
    expect(await screen.findByText('已留 1 / 1 张')).toBeInTheDocument();
  });
  it('discharges, arrivals and cleaning of the day', async () => {
    hub(<BedPoolPage line={line} />, at('/discharges'));
    expect(await screen.findByRole('list', { name: '预计到达 1' })).toHaveTextContent(/心内一病区 5 床周\*/);
    expect(screen.getByRole('list', { name: '清洁中 1' })).toHaveTextContent('清洁完成');
  });
  it('a ward sees who lies here for another department, and its own elsewhere', async () => {
    hub(<BedPoolPage line={line} />, at('/ward?ward=Location/w1'));
    const side = await screen.findByRole('complementary', { name: '出入' });
    expect(side).toHaveTextContent('借入患者 1');
    expect(side).toHaveTextContent('肾内科 王组');
  });
  it('the other ward sees its patient elsewhere', async () => {
    hub(<BedPoolPage line={line} />, at('/ward?ward=Location/w2'));
    expect(await screen.findByRole('complementary', { name: '出入' })).toHaveTextContent('本科在外 1借 心内一病区 6 床 陈*');
  });
  it('begins an admission, or what else the pool has', async () => {
    hub(<BedPoolPage line={line} />, at('/new'));
    expect(await screen.findByRole('button', { name: '住院申请' })).toHaveAttribute('aria-pressed', 'true');
    await userEvent.click(screen.getByRole('button', { name: '急诊留观' }));
    expect(screen.getByTestId('where')).toHaveTextContent('flow=observation');
  });
});

describe('without data', () => {
  it('a hospital without beds is told how to begin', async () => {
    hub(<BedPoolPage line={line} />, at('/board', { 'GET /api/beds/board': { ...board, beds: [] } }));
    expect(await screen.findByText('还没有登记床位')).toBeInTheDocument();
  });
  it('no pool', async () => {
    hub(<BedPoolPage line={line} />, at('', { 'GET /api/beds/pools': { pools: null } }));
    expect(await screen.findByText('没有您可以看的床位')).toBeInTheDocument();
  });
  it('an error says what happened', async () => {
    hub(<BedPoolPage line={line} />, at('/board', { 'GET /api/beds/board': refuse(403, 'forbidden', '此身份不能查看床位') }));
    expect(await screen.findByRole('alert')).toHaveTextContent('此身份不能查看床位');
  });
  it('nobody waits', async () => {
    hub(<BedPoolPage line={line} />, at('/board', { 'GET /api/beds/waiting': { rows: [] } }));
    expect(await screen.findByText('无人候床')).toBeInTheDocument();
  });
});

describe('the ward’s own view', () => {
  const lying = { ...board, beds: board.beds!.map((b) => (b.occupant ? { ...b, occupant: { ...b.occupant, patient: `Patient/${b.id.slice(9)}` } } : b)) };
  it('says whole names to who treats there, and the masked ones of the others', async () => {
    const { asked } = hub(<BedPoolPage line={line} />, at('/ward?ward=Location/w1', { 'GET /api/beds/board': lying, 'GET /api/beds/names': { names: { 'Patient/b6': '陈素芬' } } }));
    expect((await screen.findAllByText(/陈素芬/)).length).toBe(2); // the bed, and who lies here for others
    expect(screen.getAllByText(/周\*/).length).toBeGreaterThan(0);
    expect(asked.filter((a) => a.path === '/api/beds/names').map((a) => new URLSearchParams(a.search).get('ward'))).toEqual(['Location/w1']);
  });
  it('goes on with masked names where nobody answers', async () => {
    hub(<BedPoolPage line={line} />, at('/ward?ward=Location/w1', { 'GET /api/beds/board': lying, 'GET /api/beds/names': refuse(500, 'x', '坏了') }));
    expect((await screen.findAllByText(/陈\*/)).length).toBeGreaterThan(0);
  });
});
