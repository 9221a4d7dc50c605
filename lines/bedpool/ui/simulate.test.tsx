import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';
import { hub, refuse } from '../../../web/src/test-hub';
import { difference } from './simulate-past';
import SimulateTab, { hours, percent, type Interval, type Outcome, type Simulation } from './simulate';

const i = (mean: number, half = mean / 10): Interval => ({ mean, low: mean - half, high: mean + half, n: 10 });
const outcome = (policy: string, zh: string, wait: number, against?: number): Outcome => ({
  policy, zh, en: policy, figures: { 'wait.mean': i(wait), 'emergency.over4h': i(wait / 100), occupancy: i(0.9, 0.01) },
  against: against === undefined ? undefined : { 'wait.mean': i(against, 2) }, wards: [{ name: '心内科', beds: 38, occupancy: i(0.97, 0.01) }],
});
const done: Simulation = {
  id: 's1', by: '陈敏', role: 'leader', mine: true, seat: '中心医院', since: '2026-11-20T01:30:00Z', state: 'done', done: 20, of: 20, asked: { source: 'region', days: 365, seeds: 10, load: 0.92 }, name: { zh: '示例', en: 'example' },
  report: { beds: 600, wards: 18, days: 365, warmupDays: 90, seeds: 10, admissions: i(34000), settings: [{ reserve: 0, policies: [outcome('own', '各科各床', 54.1), outcome('weighted', '加权', 3.7, -50.4)] }] },
};
const swept: Simulation = { ...done, id: 's2', by: '林涛', mine: false, asked: { ...done.asked, policies: ['pool', 'weighted'], reserves: [0, 10] }, report: { ...done.report!, settings: [0, 10].map((reserve) => ({ reserve, policies: [outcome('pool', '先到先得', 4 - reserve / 10), outcome('weighted', '加权', 3)] })) } };
const tab = <SimulateTab pool={{ id: 'Organization/centre', name: '中心' }} line={{} as never} />;
const none = { 'GET /api/beds/simulate': { simulations: [] } };

describe('the simulation', () => {
  it('writes hours and shares as short as they can be read', () => {
    expect([hours(183.4), hours(54.12), hours(0.694), hours(-50.4)]).toEqual(['183', '54.1', '0.69', '-50.4']);
    expect([percent(0.3831), percent(0.0012)]).toEqual(['38.3%', '0.12%']);
  });

  it('says how to begin, asks for what was chosen, and shows how far it is', async () => {
    const h = hub(tab, { say: { ...none, 'POST /api/beds/simulate': { ...done, state: 'running', done: 3, report: undefined }, 'GET /api/beds/simulate/s1': { ...done, state: 'running', done: 5, report: undefined } } });
    const sent = () => h.asked.filter((a) => a.method === 'POST' && a.path === '/api/beds/simulate');
    expect(await screen.findByText('还没有模拟结果')).toBeInTheDocument();
    await userEvent.click(screen.getByText('急诊预留几张'));
    await userEvent.click(screen.getByRole('button', { name: '开始模拟' }));
    await waitFor(() => expect(sent()).toHaveLength(1));
    expect(sent()[0]!.body).toMatchObject({ source: 'region', days: 365, load: 0.92, policies: ['pool', 'weighted'], reserves: [0, 5, 10, 20, 30] });
    expect(await screen.findByText(/正在推演 [35]\/20/)).toBeInTheDocument();
    expect(screen.getByRole('button', { name: '停止' })).toBeInTheDocument();
    expect(screen.getByRole('button', { name: '开始模拟' })).toBeDisabled();
  });

  it('says the answer in a sentence, draws intervals, and lists wards', async () => {
    hub(tab, { say: { 'GET /api/beds/simulate': { simulations: [done] }, 'GET /api/beds/simulate/s1': done } });
    expect(await screen.findByText(/平均等床由 54\.1 小时变为 3\.7 小时/)).toHaveTextContent('差 -50.4 小时（95% 置信区间 -52.4 至 -48.4）');
    const wait = screen.getByRole('img', { name: '平均等床（小时）' });
    expect(within(wait).getByText('54.1 ±5.4')).toBeInTheDocument();
    expect(within(screen.getByRole('table', { name: '各病区床位使用率' })).getByRole('row', { name: /心内科 38 97\.0%/ })).toBeInTheDocument();
  });

  it('shows what each size of the reserve gives and costs', async () => {
    hub(tab, { say: { 'GET /api/beds/simulate': { simulations: [swept] }, 'GET /api/beds/simulate/s2': swept } });
    expect(await screen.findByRole('img', { name: '急诊等床超 4 小时' })).toBeInTheDocument();
    expect(within(screen.getByRole('table', { name: '先到先得' })).getAllByRole('row')).toHaveLength(3);
  });

  it('lists who tried what, opens one again, and lays two side by side', async () => {
    hub(tab, { say: { 'GET /api/beds/simulate': { simulations: [swept, done] }, 'GET /api/beds/simulate/s1': done, 'GET /api/beds/simulate/s2': swept } });
    expect(await screen.findByText(/平均等床由 54\.1 小时/)).toBeInTheDocument(); // one's own first
    await userEvent.click(screen.getByRole('button', { name: '历次模拟（2）' }));
    const past = screen.getByRole('table', { name: '历次模拟' });
    expect(within(past).getByRole('row', { name: /林涛 示例 急诊预留 0、10 张 · 全院一张床（先到先得） \/ 全院一张床（加权）.*完成/ })).toBeInTheDocument();
    expect(screen.getByRole('button', { name: '并排对比' })).toBeDisabled();
    for (const box of within(past).getAllByRole('checkbox')) await userEvent.click(box);
    await userEvent.click(screen.getByRole('button', { name: '并排对比' }));
    const beside = await screen.findByRole('table', { name: '并排对比' });
    // of the latest chosen each: s2's 3 ± 0.3 beside s1's 3.7 ± 0.37
    expect(within(beside).getByRole('row', { name: /平均等床（小时） 3\.0 ±0\.30 3\.7 ±0\.37 \+0\.70 ±0\.48/ })).toBeInTheDocument();
    expect(within(beside).getByRole('row', { name: /床位使用率 .* 看不出差别/ })).toBeInTheDocument();
    await userEvent.click(screen.getByRole('button', { name: '返回' }));
    await userEvent.click(screen.getByRole('button', { name: '历次模拟（2）' }));
    await userEvent.click(screen.getByRole('button', { name: /急诊预留 0、10 张/ }));
    expect(await screen.findByRole('img', { name: '急诊等床超 4 小时' })).toBeInTheDocument();
    expect(screen.getByText(/林涛 于 .* 发起/)).toBeInTheDocument();
  });

  it('leaves what a colleague has running to him', async () => {
    const running: Simulation = { ...swept, state: 'running', done: 4, report: undefined };
    hub(tab, { say: { 'GET /api/beds/simulate': { simulations: [running] }, 'GET /api/beds/simulate/s2': running } });
    expect(await screen.findByText('正在推演 4/20')).toBeInTheDocument();
    expect(screen.queryByRole('button', { name: '停止' })).toBeNull();
    expect(screen.getByRole('button', { name: '开始模拟' })).toBeEnabled();
  });

  it('says that two differ only where their intervals allow it', () => {
    expect(difference(i(10, 3), i(15, 4))).toEqual({ mean: 5, by: 5, sure: false });
    expect(difference(i(10, 3), i(16, 4)).sure).toBe(true);
    expect(difference({ ...i(10, 0), n: 1 }, i(16, 0)).sure).toBe(false);
  });

  it('says why it was refused', async () => {
    hub(tab, { say: { ...none, 'POST /api/beds/simulate': refuse(422, 'too-much-to-simulate', '计算量过大') } });
    await userEvent.click(await screen.findByRole('button', { name: '开始模拟' }));
    expect(await screen.findByText('计算量过大')).toBeInTheDocument();
  });

  it('says why it cannot be shown', async () => {
    hub(tab, { say: { 'GET /api/beds/simulate': refuse(403, 'not-your-simulation', '床位模拟由院领导使用') } });
    expect(await screen.findByText('床位模拟由院领导使用')).toBeInTheDocument();
  });
});
