import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';
import type { Line } from '../../../web/src/fhir/types';
import { hub, refuse } from '../../../web/src/test-hub';
import { inMinutes, span, type Rule } from './rules';
import RulesTab from './rules-tab';

const line = { slug: 'bedpool' } as Line;
const pool = { id: 'Organization/centre', name: '区域医疗中心' };
const rule = (code: string, zh: string, value: unknown, more: Partial<Rule> = {}): Rule => ({ code, zh, en: code, value, source: 'own default', verified: false, mine: true, ...more });
const rules = [
  rule('weights', '各项偏好权重', { campus: 30 }),
  rule('holds', '留床期限', { soon: ['emergency', 'urgent'], grace: '1h', assumed: '1h', by: '18:00' }),
  rule('limits', '借床上限', { teamInWard: 6, wardLent: 0.5, teams: {}, wards: { 'Organization/card': 3 } }),
  rule('night', '夜间时段', { from: '22:00', to: '06:00', lends: ['emergency'] }, { own: true, default: { from: '21:00', to: '06:00', lends: [] },
    history: [{ at: '2026-11-20T10:00:00+08:00', from: '2026-11-20T10:00:00+08:00', by: 'u1', name: '陈院长', reason: '夜班减员', value: { from: '22:00', to: '06:00', lends: ['emergency'] } }],
    planned: [{ at: '2026-11-21T10:00:00+08:00', from: '2026-12-01T00:00:00+08:00', by: 'u1', name: '陈院长', reason: '冬季', value: { from: '23:00', to: '06:00', lends: ['emergency'] } }] }),
  rule('protected', '保护性病区', { paediatrics: { takes: [], stays: true } }),
];
const say = { 'GET /api/beds/rules': { rules, mine: true }, 'GET /api/beds/board': { at: new Date().toISOString(), since: '1', whole: true, campuses: [], beds: [{ id: 'Location/b', name: '1 床', ward: 'Location/w', room: 'Location/r', level: 'general', state: 'free' }], rooms: [], wards: [{ id: 'Location/w', org: 'Organization/card', name: '心内一病区', campus: '' }] }, 'PUT /api/beds/rules': { code: 'x' } };
const draw = (more = {}) => hub(<RulesTab line={line} pool={pool} />, { say: { ...say, ...more } });

describe('the rules of a pool', () => {
  it('are said in words, those of the day first; a default that nobody has verified says so', async () => {
    draw();
    const holds = await screen.findByRole('row', { name: /留床期限/ });
    expect(holds).toHaveTextContent('急诊、紧急：预计到达后 1 小时；其他：当日 18:00');
    expect(holds).toHaveTextContent('默认值 未核对');
    expect(screen.getByRole('row', { name: /借床上限/ })).toHaveTextContent('每组每病区 6 张；每病区 50%；单列病区 1');
    expect(screen.getAllByRole('row').map((r) => r.textContent).findIndex((x) => /各项偏好权重/.test(x!))).toBeGreaterThan(screen.getAllByRole('row').findIndex((r) => /其他规则与权重/.test(r.textContent!)));
  });
  it('say who changed what, since when, why, and what is planned', async () => {
    const { asked } = draw();
    const night = await screen.findByRole('row', { name: /夜间时段/ });
    expect(night).toHaveTextContent('本院设定 陈院长');
    expect(night).toHaveTextContent(/起：23:00–06:00 只借给 急诊/);
    await userEvent.click(within(night).getByRole('button', { name: '修改记录 1' }));
    expect(within(night).getByRole('list', { name: /谁、何时/ })).toHaveTextContent('陈院长：22:00–06:00 只借给 急诊 夜班减员');
    await userEvent.click(within(night).getByRole('button', { name: '撤回' }));
    await waitFor(() => expect(asked.find((a) => a.method === 'PUT')?.body).toEqual({ code: 'night', value: { from: '22:00', to: '06:00', lends: ['emergency'] }, reason: '撤回计划中的修改', from: '2026-12-01T00:00:00+08:00' }));
  });
  it('are changed in fields, with a reason, now', async () => {
    const { asked } = draw();
    await userEvent.click(await screen.findByRole('button', { name: '修改 留床期限' }));
    const form = screen.getByRole('form', { name: '留床期限' });
    expect(within(form).getByRole('button', { name: '保存' })).toBeDisabled();
    const grace = within(form).getByLabelText('到达后再留（分钟）');
    await userEvent.clear(grace);
    await userEvent.type(grace, '90');
    await userEvent.click(within(form).getByRole('checkbox', { name: '肿瘤' }));
    await userEvent.type(within(form).getByLabelText(/修改原因/), '试行');
    await userEvent.click(within(form).getByRole('button', { name: '保存' }));
    await waitFor(() => expect(asked.find((a) => a.method === 'PUT')?.body).toEqual({ code: 'holds', value: { soon: ['emergency', 'urgent', 'cancer'], grace: '90m', assumed: '1h', by: '18:00' }, reason: '试行' }));
  });
  it('or from a later day', async () => {
    const { asked } = draw();
    await userEvent.click(await screen.findByRole('button', { name: '修改 保护性病区' }));
    const form = screen.getByRole('form', { name: '保护性病区' });
    await userEvent.click(within(form).getByRole('checkbox', { name: '儿科 对其他患者开放' }));
    await userEvent.click(within(form).getByRole('radio', { name: '以后某时' }));
    await userEvent.type(within(form).getByLabelText(/修改原因/), '冬季');
    await userEvent.click(within(form).getByRole('button', { name: '保存' }));
    await waitFor(() => expect(asked.find((a) => a.method === 'PUT')?.body).toMatchObject({ code: 'protected', value: { paediatrics: { stays: true, opens: { from: '20:00', to: '07:00' } } } }));
    expect((asked.find((a) => a.method === 'PUT')!.body as { from: string }).from).toMatch(/T/);
  });
  it('a ward has a limit of its own, by its name', async () => {
    draw();
    await userEvent.click(await screen.findByRole('button', { name: '修改 借床上限' }));
    expect(await screen.findByLabelText('心内一病区')).toHaveValue('3');
  });
  it('what the hub refuses stays beside the fields; data that is none is not sent', async () => {
    const { asked } = draw({ 'PUT /api/beds/rules': refuse(422, 'bad-rule', '规则内容不符合要求') });
    await userEvent.click(await screen.findByRole('button', { name: '修改 各项偏好权重' }));
    const form = screen.getByRole('form', { name: '各项偏好权重' });
    await userEvent.type(within(form).getByLabelText('数据'), 'x');
    await userEvent.type(within(form).getByLabelText(/修改原因/), '试');
    await userEvent.click(within(form).getByRole('button', { name: '保存' }));
    expect(await within(form).findByRole('alert')).toHaveTextContent('不是有效的 JSON');
    expect(asked.some((a) => a.method === 'PUT')).toBe(false);
    await userEvent.type(within(form).getByLabelText('数据'), '{Backspace}');
    await userEvent.click(within(form).getByRole('button', { name: '保存' }));
    expect(await within(form).findByText(/规则内容不符合要求/)).toBeInTheDocument();
  });
  it('who may not change them reads them', async () => {
    draw({ 'GET /api/beds/rules': { rules: rules.map((r) => ({ ...r, mine: false })), mine: false } });
    expect(await screen.findByText(/您可以查看/)).toBeInTheDocument();
    expect(screen.queryByRole('button', { name: /修改 / })).toBeNull();
    expect(screen.queryByRole('button', { name: '撤回' })).toBeNull();
  });
  it('empty and failing', async () => {
    const none = draw({ 'GET /api/beds/rules': { rules: [], mine: false } });
    expect(await screen.findByText('没有规则')).toBeInTheDocument();
    none.unmount();
    draw({ 'GET /api/beds/rules': refuse(500, 'x', '坏了') });
    expect(await screen.findByRole('alert')).toHaveTextContent('坏了');
  });
  it('spans', () => expect([inMinutes('1h'), inMinutes('90m'), inMinutes('1h30m'), inMinutes('30m'), span(90)]).toEqual([60, 90, 90, 30, '90m']));
});
