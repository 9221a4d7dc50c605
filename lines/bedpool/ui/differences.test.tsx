import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';
import { hub, refuse } from '../../../web/src/test-hub';
import type { Line } from '../../../web/src/fhir/types';
import DifferencesTab, { type Differences, type Shadow, type Sources } from './differences';
import en from './his.en.json';
import zh from './his.zh.json';

const line: Line = { slug: 'bedpool', name: { zh: '全院一张床', en: 'One pool of beds' }, counts: { waiting: 0, late: 0, open: 0, mineLate: 0 }, views: [], flows: [], start: [] };
const pool = { id: 'Organization/centre', name: '区域医疗中心' };
const at = '2026-11-23T08:00:00+08:00';
const ways = { his: { zh: '以医院系统为准', en: 'The hospital' }, corrected: { zh: '已在医院系统更正', en: 'Corrected' }, applied: { zh: '已在本系统处理', en: 'Dealt with' } };
const list: Differences = {
  at, ways, may: true, differences: [
    { id: 'd1', kind: 'hold-lost', kindName: { zh: '所留床位被占用', en: 'A held bed is taken' }, wardName: '心内一病区', bed: 'Location/1', bedName: '12 床', had: 'held', said: 'occupied', patient: 'Patient/1', name: '魏**', task: 'Task/9', line: 'bedpool', since: at, times: 2 },
    { id: 'd2', kind: 'unknown-bed', kindName: { zh: '床位未登记', en: 'Bed not in the register' }, named: 'W7^7^7', had: '', said: 'occupied', since: at, times: 1 },
  ],
};
const sources: Sources = { may: true, wards: [{ ward: 'Location/w1', name: '心内一病区', owner: 'his', shadow: false }], senders: [{ name: 'centre-his', last: at, today: { AA: 12, AE: 1 }, refused: { 'unknown-bed': 1 } }] };
const shadow: Shadow = { from: at, until: at, cases: 4, open: 1, sameBed: 1, sameWard: 3, soonerHoursP50: 2, soonerHoursP90: 5, soonerHours: 9, rows: [{ id: 's1', name: '杜**', ward: '心内一病区', bed: '1 床', zh: '本病区空床', en: 'free', at, first: at, actual: at, actualWard: '心内一病区', actualBed: '2 床' }] };

describe('differences', () => {
  it('have the same words in both languages', () => expect(Object.keys(en).sort()).toEqual(Object.keys(zh).sort()));
  it('say what we had and what the hospital says, and are reconciled with a note', async () => {
    const { asked } = hub(<DifferencesTab line={line} pool={pool} />, { say: { 'GET /api/beds/differences': list, 'POST /api/beds/differences': {} } });
    const row = (await screen.findByText('所留床位被占用')).closest('tr')!;
    expect(row).toHaveTextContent('心内一病区 12 床魏** 业务已留床已占用');
    expect(row).toHaveTextContent('2 次');
    await userEvent.click(within(row).getByRole('button', { name: '核对: 所留床位被占用 12 床' }));
    const form = screen.getByRole('form', { name: '核对' });
    await userEvent.click(within(form).getByRole('button', { name: '已在医院系统更正' }));
    expect(within(form).getByRole('button', { name: /保\s?存/ })).toBeDisabled();
    await userEvent.type(within(form).getByRole('textbox', { name: '处理说明' }), '已电话更正');
    await userEvent.click(within(form).getByRole('button', { name: /保\s?存/ }));
    await waitFor(() => expect(asked.find((a) => a.method === 'POST')?.body).toEqual({ id: 'd1', how: 'corrected', note: '已电话更正' }));
    await waitFor(() => expect(screen.queryByRole('form')).toBeNull());
  });
  it('who may not reconcile only reads', async () => {
    hub(<DifferencesTab line={line} pool={pool} />, { say: { 'GET /api/beds/differences': { ...list, may: false } } });
    expect(await screen.findByText('W7^7^7')).toBeInTheDocument();
    expect(screen.queryByRole('button', { name: /核对/ })).toBeNull();
  });
  it('a ward is switched with a reason', async () => {
    const { asked } = hub(<DifferencesTab line={line} pool={pool} />, { say: { 'GET /api/beds/differences': list, 'GET /api/beds/sources': sources, 'POST /api/beds/sources': {} } });
    await userEvent.click(await screen.findByText('病区来源'));
    expect(await screen.findByText('24 小时：接受 12，拒绝 1')).toBeInTheDocument();
    await userEvent.click(screen.getByRole('button', { name: '更改: 心内一病区' }));
    const form = screen.getByRole('form', { name: '更改: 心内一病区' });
    await userEvent.click(within(form).getByRole('switch', { name: '影子运行' }));
    await userEvent.type(within(form).getByRole('textbox', { name: '原因' }), '试运行');
    await userEvent.click(within(form).getByRole('button', { name: /保\s?存/ }));
    await waitFor(() => expect(asked.find((a) => a.method === 'POST')?.body).toEqual({ ward: 'Location/w1', owner: 'his', shadow: true, reason: '试运行' }));
  });
  it('the shadow compares', async () => {
    hub(<DifferencesTab line={line} pool={pool} />, { say: { 'GET /api/beds/differences': list, 'GET /api/beds/shadow': shadow } });
    await userEvent.click(await screen.findByText('影子运行'));
    expect(await screen.findByText('75%')).toBeInTheDocument();
    expect(screen.getByText('25%')).toBeInTheDocument();
    expect(screen.getByText('本病区空床')).toBeInTheDocument();
  });
  it('empty and failing', async () => {
    const none = hub(<DifferencesTab line={line} pool={pool} />, { say: { 'GET /api/beds/differences': { ...list, differences: [] } } });
    expect(await screen.findByText('没有差异')).toBeInTheDocument();
    none.unmount();
    hub(<DifferencesTab line={line} pool={pool} />, { say: { 'GET /api/beds/differences': refuse(500, 'x', '坏了') } });
    expect(await screen.findByRole('alert')).toHaveTextContent('坏了');
  });
});
