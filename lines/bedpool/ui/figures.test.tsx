import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';
import { hub, refuse } from '../../../web/src/test-hub';
import type { Line } from '../../../web/src/fhir/types';
import type { Directory, DirectoryRow, Leader, Shifts } from './api';
import DirectoryTab from './directory';
import { daysBack, hours, percent, usual } from './figures';
import LeaderTab, { share, worst } from './leader';
import ShiftsTab, { inOrder } from './shifts';

const line: Line = { slug: 'bedpool', name: { zh: '全院一张床', en: 'One pool of beds' }, counts: { waiting: 0, late: 0, open: 0, mineLate: 0 }, views: [], flows: [], start: [] };
const pool = { id: 'Organization/centre', name: '区域医疗中心' };
const at = '2026-11-23T08:00:00+08:00';

const shifts: Shifts = {
  at, kinds: [{ code: 'day', zh: '白班', en: 'Day', from: '08:00', until: '16:00', points: 12 }, { code: 'evening', zh: '小夜班', en: 'Evening', from: '16:00', until: '00:00', points: 20 }],
  wards: [
    { ward: 'Location/w2', name: '呼吸一病区', beds: 40, patients: 30, load: 52, shifts: [{ shift: 'day', starts: at, ends: at, nurses: 4, points: 48, source: 'roster', at }, { shift: 'evening', starts: '2026-11-23T16:00:00+08:00', ends: at }] },
    { ward: 'Location/w3', name: '骨科病区', beds: 36, patients: 20, load: 25, shifts: [{ shift: 'day', starts: at, ends: at }, { shift: 'evening', starts: '2026-11-23T16:00:00+08:00', ends: at }] },
    { ward: 'Location/w1', name: '心内一病区', campusName: '东湖院区', beds: 42, patients: 33, load: 47.5, mine: true, shifts: [{ shift: 'day', starts: at, ends: at }, { shift: 'evening', starts: '2026-11-23T16:00:00+08:00', ends: at, nurses: 3, points: 60, source: 'head-nurse', at }] },
  ],
};

describe('shifts', () => {
  it('puts my wards first, then those that nobody has set', () => {
    expect(inOrder(shifts.wards!).map((w) => w.name)).toEqual(['心内一病区', '骨科病区', '呼吸一病区']);
  });
  it.each([[5, 40, [2, 3, 4, 5, 6, 7, 8]], [undefined, 60, [2, 3, 4, 5, 6, 7, 8]], [1, 0, [1, 2, 3, 4, 5, 6, 7]]])('offers the usual numbers around %s of load %s', (last, load, want) => {
    expect(usual(last, load, shifts.kinds![0])).toEqual(want);
  });
  it('is set in three clicks, and says what is left to lend', async () => {
    const { asked } = hub(<ShiftsTab line={line} pool={pool} />, { say: { 'GET /api/beds/shifts': shifts, 'PUT /api/beds/shifts': {} } });
    expect(await screen.findByText('2 个病区未填报')).toBeInTheDocument();
    await userEvent.click(screen.getByRole('button', { name: '填报: 心内一病区 白班' }));
    const form = screen.getByRole('form', { name: '心内一病区：白班 08:00–16:00' });
    await userEvent.click(within(form).getByRole('button', { name: '5' }));
    expect(within(form).getByRole('status')).toHaveTextContent('5 名 × 12 = 60 点；现有负荷 47.5 点，还可借 12.5 点');
    await userEvent.click(within(form).getByRole('button', { name: '保存' }));
    await waitFor(() => expect(asked.find((a) => a.method === 'PUT')?.body).toEqual({ ward: 'Location/w1', at, nurses: 5 }));
    expect(await screen.findByText('心内一病区 白班：5 名护士')).toBeInTheDocument();
    await waitFor(() => expect(screen.queryByRole('form')).toBeNull());
  });
  it('begins with the number said last, and warns of too few', async () => {
    hub(<ShiftsTab line={line} pool={pool} />, { say: { 'GET /api/beds/shifts': shifts } });
    await userEvent.click(await screen.findByRole('button', { name: '填报: 心内一病区 白班' }));
    expect(screen.getByRole('button', { name: '3', pressed: true })).toBeInTheDocument();
    expect(screen.getByRole('status')).toHaveTextContent('3 名 × 12 = 36 点；现有负荷 47.5 点，已超 11.5 点，停止借床');
  });
  it('others are to be read only', async () => {
    hub(<ShiftsTab line={line} pool={pool} />, { say: { 'GET /api/beds/shifts': shifts } });
    const row = (await screen.findByText('呼吸一病区')).closest('tr')!;
    expect(within(row).queryByRole('button')).toBeNull();
    expect(within(row).getByText('52 / 48 点')).toHaveClass('late-word');
  });
  it('a refusal stays where it was caused', async () => {
    hub(<ShiftsTab line={line} pool={pool} />, { say: { 'GET /api/beds/shifts': shifts, 'PUT /api/beds/shifts': refuse(422, 'shift-is-over', '该班次已结束') } });
    await userEvent.click(await screen.findByRole('button', { name: '填报: 心内一病区 白班' }));
    await userEvent.click(screen.getByRole('button', { name: '保存' }));
    expect(await screen.findByText('该班次已结束')).toBeInTheDocument();
    expect(screen.getByRole('form')).toBeInTheDocument();
  });
  it('empty and failing', async () => {
    const none = hub(<ShiftsTab line={line} pool={pool} />, { say: { 'GET /api/beds/shifts': { at, kinds: [], wards: [] } } });
    expect(await screen.findByText('没有您可以看的病区')).toBeInTheDocument();
    none.unmount();
    hub(<ShiftsTab line={line} pool={pool} />, { say: { 'GET /api/beds/shifts': refuse(500, 'x', '坏了') } });
    expect(await screen.findByRole('alert')).toHaveTextContent('坏了');
  });
});

const stand = { beds: 40, occupied: 34, lent: 4, free: 3, held: 1, cleaning: 1, closed: 1, mean: 0.8 };
const leader: Leader = {
  from: '2026-10-25', to: '2026-11-23', at, campuses: [{ id: 'Location/east', name: '东湖院区', ...stand }],
  wards: [{ id: 'Location/w1', name: '心内一病区', campus: 'Location/east', ...stand, refused: 3, lentDays: 21.4 }, { id: 'Location/w9', name: '新病区', campus: '', ...stand, beds: 0, closed: 0, refused: 0, lentDays: 0, stale: true }],
  waits: [{ urgency: 'emergency', waiting: 0, served: 12, p50: 0.5, p90: 2 }, { urgency: 'elective', waiting: 7, longest: 130, served: 90, p50: 30, p90: 96 }],
  days: [{ day: '2026-11-21', occupied: 30, beds: 40, lent: 2, refused: 1, lapsed: 0, displaced: 0 }, { day: '2026-11-22', occupied: 34, beds: 40, lent: 4, refused: 1, lapsed: 0, displaced: 0 }],
  refusals: [{ code: 'nursing', zh: '护理已满', en: 'nursing full', n: 2 }, { code: 'sex', zh: '病室性别不符', en: 'wrong sex of room', n: 5 }],
  holds: { held: 60, lapsed: 4, displaced: 2, overridden: 1 },
};

describe('leader', () => {
  it('leaves closed beds out', () => {
    expect(share(stand)).toBeCloseTo(34 / 39);
    expect(share({ ...stand, beds: 1 })).toBeUndefined();
    expect(worst(leader.waits!)).toEqual({ n: 7, longest: 130 });
  });
  it('shows sums, wards, waits and why beds were refused', async () => {
    hub(<LeaderTab line={line} pool={pool} />, { say: { 'GET /api/beds/leader': leader } });
    expect(await screen.findByText('在住 34 / 39 张')).toBeInTheDocument();
    expect(screen.getByText('最久 5天10小时')).toBeInTheDocument();
    expect(screen.getByText('失效 4，被急诊取用 2，放行 1')).toBeInTheDocument();
    expect(within(screen.getByText('心内一病区').closest('tr')!).getByText('87%')).toBeInTheDocument();
    expect(screen.getByText('停借')).toBeInTheDocument();
    expect(within(screen.getByText('择期').closest('tr')!).getByText('4天')).toBeInTheDocument();
    expect(screen.getByText('2026-11-22：在住 34 / 40（85%），借出 4')).toBeInTheDocument();
    expect(screen.getAllByText('病室性别不符')[0]).toBeInTheDocument();
  });
  it('asks for another period', async () => {
    const { asked } = hub(<LeaderTab line={line} pool={pool} />, { say: { 'GET /api/beds/leader': leader } });
    await userEvent.click(await screen.findByText('最近 7 天'));
    await waitFor(() => expect(asked.filter((a) => a.path === '/api/beds/leader').at(-1)?.search).toContain(`from=${daysBack(7).from}`));
  });
  it('empty and failing', async () => {
    const none = hub(<LeaderTab line={line} pool={pool} />, { say: { 'GET /api/beds/leader': { ...leader, wards: [] } } });
    expect(await screen.findByText('还没有数字')).toBeInTheDocument();
    none.unmount();
    hub(<LeaderTab line={line} pool={pool} />, { say: { 'GET /api/beds/leader': refuse(403, 'not-your-beds', '仅供院领导查看') } });
    expect(await screen.findByRole('alert')).toHaveTextContent('仅供院领导查看');
  });
  it('writes shares and hours as people do', () => {
    expect([percent(0.854), percent(undefined), hours(0.001), hours(2), hours(undefined)]).toEqual(['85%', '–', '1分', '2小时', '']);
  });
});

const row = (more: Partial<DirectoryRow>): DirectoryRow => ({ institution: 'Organization/centre', name: '区域医疗中心', specialty: 'cardiology', specialtyName: '心血管内科', level: 'general', beds: 40, free: 5, today: 3, p50: 4, p90: 30, distance: 38.4, agreed: true, at, reasons: [{ zh: '有空床', en: 'has free beds' }, { zh: '有转诊协议', en: 'agreement in force' }], ...more });
const directory: Directory = { rows: [row({}), row({ institution: 'Organization/county', name: '青溪县总医院', free: 0, own: true, distance: undefined, p50: undefined, p90: undefined, reasons: null })], specialties: [{ code: 'cardiology', name: '心血管内科' }] };

describe('directory', () => {
  it('names whom to ask first, and why, once it is known for what', async () => {
    hub(<DirectoryTab />, { path: '/?specialty=cardiology', say: { 'GET /api/beds/directory': directory } });
    const first = (await screen.findByText('区域医疗中心')).closest('tr')!;
    expect(within(first).getByText('先问')).toBeInTheDocument();
    expect(within(first).getByText('5 / 40')).toBeInTheDocument();
    expect(within(first).getByText('4小时，九成 1天6小时')).toBeInTheDocument();
    expect(within(first).getByText('38 公里')).toBeInTheDocument();
    expect(within(first).getByText('有空床；有转诊协议')).toBeInTheDocument();
    const link = within(first).getByRole('link', { name: '转诊往区域医疗中心' });
    expect(new URL(link.getAttribute('href')!, 'http://x').searchParams.get('to')).toBe('Organization/centre');
    const own = screen.getByText('青溪县总医院').closest('tr')!;
    expect(within(own).queryByRole('link')).toBeNull();
    expect(within(own).getByText('0 / 40')).toHaveClass('late-word');
  });
  it('keeps the own hospital apart, marked as such, and says when there is no other', async () => {
    const both = hub(<DirectoryTab />, { path: '/?specialty=cardiology', say: { 'GET /api/beds/directory': { ...directory, rows: [...directory.rows!].reverse() } } });
    const apart = await screen.findByRole('rowgroup', { name: '本院' });
    expect(within(apart).getByRole('row', { name: /青溪县总医院 本院/ })).toBeInTheDocument();
    expect(within(apart).queryByText('区域医疗中心')).toBeNull();
    expect(screen.getAllByRole('row')[1]).toHaveTextContent('区域医疗中心');
    both.unmount();
    hub(<DirectoryTab />, { say: { 'GET /api/beds/directory': { ...directory, rows: directory.rows!.slice(1) } } });
    expect(await screen.findByText('没有其他医院报告符合条件的床位。')).toBeInTheDocument();
  });
  it('asks for what was chosen', async () => {
    const { asked } = hub(<DirectoryTab />, { path: '/?specialty=cardiology&level=icu', say: { 'GET /api/beds/directory': directory } });
    await screen.findByText('区域医疗中心');
    expect(asked.find((a) => a.path === '/api/beds/directory')?.search).toBe('?specialty=cardiology&level=icu');
  });
  it('empty and failing', async () => {
    const none = hub(<DirectoryTab />, { say: { 'GET /api/beds/directory': { rows: [] } } });
    expect(await screen.findByText('没有符合的医院')).toBeInTheDocument();
    none.unmount();
    hub(<DirectoryTab />, { say: { 'GET /api/beds/directory': refuse(500, 'x', '坏了') } });
    expect(await screen.findByRole('alert')).toHaveTextContent('坏了');
  });
});
