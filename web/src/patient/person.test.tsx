import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it } from 'vitest';
import { line } from '../../dev/fixtures.ts';
import { hub, refuse } from '../test-hub';
import PatientPage from './page';
import { Linked, type Person } from './person';

const county = { reference: 'Organization/county', display: '青榆县人民医院' };
const centre = { reference: 'Organization/centre', display: '杏州区域医疗中心' };
const why = { fields: [{ name: 'reason', label: { zh: '理由' }, type: 'choice' as const, required: true, options: [{ code: 'twins', name: { zh: '双胞胎或多胞胎' } }, { code: 'other', name: { zh: '其他' } }] }, { name: 'note', label: { zh: '说明' }, type: 'textarea' as const }] };
const two: Person = {
  person: '7', mayUndo: true, why, undone: [],
  members: [
    { reference: 'Patient/p1', name: '张伟', sex: 'male', birthDate: '1990-01-01', org: county, this: true },
    { reference: 'Patient/p2', name: '张玮', sex: 'male', birthDate: '1990-01-01', org: centre, since: '2026-11-20T09:00:00+08:00', source: 'auto', probability: 0.9996, this: false },
  ],
  golden: [{ field: 'name', value: '张伟', from: 'Patient/p1', org: county, at: '2026-11-19T09:00:00+08:00', rule: 'verified', other: 1 }],
  log: [{ at: '2026-11-20T09:00:00+08:00', what: 'linked', source: 'auto', patient: 'Patient/p2', with: 'Patient/p1', why: 'match' }],
};
const alone: Person = { person: '', members: [], golden: [], log: [], undone: [], mayUndo: false };
const at = (p: unknown) => ({ say: { 'GET /api/patients/p1/person': p } });

it('says of how many hospitals, why and since when, and what survives', async () => {
  hub(<Linked patient="Patient/p1" />, at(two));
  await userEvent.click(await screen.findByText('2 家医院的记录合为一人'));
  const members = screen.getByRole('table', { name: '合并的记录' });
  expect(within(members).getByRole('row', { name: /杏州区域医疗中心 张玮.*主索引自动合并（99.9 %）/ })).toBeInTheDocument();
  expect(within(members).getByRole('row', { name: /青榆县人民医院 张伟.*本记录/ })).toBeInTheDocument();
  expect(within(screen.getByRole('table', { name: /综合档案/ })).getByRole('row', { name: /姓名 张伟 青榆县人民医院.*已核验.*另有 1 个/ })).toBeInTheDocument();
  expect(screen.getByRole('list', { name: '合并经过' })).toHaveTextContent('合并 杏州区域医疗中心 ⇄ 青榆县人民医院 证据充分');
});

it('is taken apart with a reason, saying who is told', async () => {
  const { asked } = hub(<Linked patient="Patient/p1" />, { say: { 'GET /api/patients/p1/person': two, 'POST /api/patients/p1/person/undo': { told: [] } } });
  await userEvent.click(await screen.findByText('2 家医院的记录合为一人'));
  await userEvent.click(screen.getByRole('button', { name: '这不是同一人' }));
  expect(screen.getByText(/期间经由合并打开过记录的人/)).toBeInTheDocument();
  await userEvent.click(screen.getByRole('radio', { name: /双胞胎/ }));
  await userEvent.click(within(screen.getByRole('form', { name: '这不是同一人' })).getByRole('button', { name: '这不是同一人' }));
  await waitFor(() => expect(asked.find((a) => a.method === 'POST')?.body).toEqual({ patient: 'Patient/p2', reason: 'twins', note: '' }));
});

it('a record by itself says nothing', async () => {
  const { asked } = hub(<><Linked patient="Patient/p1" /><p>ready</p></>, at(alone));
  await waitFor(() => expect(asked.length).toBe(1));
  expect(screen.queryByText(/合为一人/)).toBeNull();
  expect(screen.queryByRole('note')).toBeNull();
});

it('an error never stands in the way of the record', async () => {
  hub(<Linked patient="Patient/p1" />, at(refuse(500, 'server', '')));
  await waitFor(() => expect(screen.queryByRole('alert')).toBeNull());
});

it('says that it was taken apart lately', async () => {
  hub(<Linked patient="Patient/p1" />, at({ ...alone, undone: [{ at: '2026-11-22T09:00:00+08:00', what: 'unlinked', patient: 'Patient/p1', with: 'Patient/p2', why: '双胞胎或多胞胎' }] }));
  expect(await screen.findByRole('note')).toHaveTextContent(/解除合并.*双胞胎或多胞胎.*请留意/);
});

it('the timeline says whose record an entry stands in, and can be narrowed to one', async () => {
  const page = (person: boolean) => ({ banner: { reference: 'Patient/p1', name: '张伟' }, records: person ? [{ reference: 'Patient/p1', custodian: county }, { reference: 'Patient/p2', custodian: centre }] : [{ reference: 'Patient/p1', custodian: county }],
    timeline: [{ kind: 'condition', title: '高血压', reference: 'Condition/1', record: 'Patient/p1' }, { kind: 'condition', title: '糖尿病', reference: 'Condition/2', record: 'Patient/p2' }] });
  const { asked } = hub(<PatientPage />, { path: '/patients/p1', route: '/patients/:id', say: { 'GET /api/patients/p1': page(true), 'GET /api/patients/p1/person': two } });
  expect(await screen.findByText('出自 杏州区域医疗中心')).toBeInTheDocument();
  expect(screen.queryByText('出自 青榆县人民医院')).toBeNull();
  await userEvent.click(screen.getByRole('button', { name: '仅看本记录' }));
  await waitFor(() => expect(asked.some((a) => a.path === '/api/patients/p1' && a.search.includes('person=false'))).toBe(true));
});

it('says how many records it did not join', async () => {
  const page = { banner: { reference: 'Patient/p1', name: '张伟' }, records: [{ reference: 'Patient/p1', custodian: county }, { reference: 'Patient/p2', custodian: centre }], left: 7, timeline: [] };
  hub(<PatientPage />, { path: '/patients/p1', route: '/patients/:id', say: { 'GET /api/patients/p1': page, 'GET /api/patients/p1/person': two } });
  expect(await screen.findByRole('note')).toHaveTextContent('只汇总了此人的 2 份记录，另有 7 份未汇总');
});

it('a case opens in its own line, and each start is called by its own word', async () => {
  const page = { banner: { reference: 'Patient/p1', name: '张伟' }, records: [], timeline: [{ kind: 'referral', title: '申请住院', reference: 'Task/t7', line: 'bedpool' }] };
  const more = (slug: string, ...dos: string[]) => ({ ...line, slug, name: { zh: slug }, start: dos.map((zh) => ({ flow: zh, name: { zh }, do: { zh }, about: 'patient' })) });
  hub(<PatientPage />, { path: '/patients/p1', route: '/patients/:id', say: { 'GET /api/patients/p1': page, 'GET /api/lines': [line, more('bedpool', '申请住院', '入科'), more('safeguard', '报告疑似侵害')] } });
  expect(await screen.findByRole('button', { name: '报告疑似侵害' })).toBeInTheDocument();
  expect(screen.getByRole('button', { name: '申请住院 …' })).toBeInTheDocument();
  await userEvent.click(screen.getByRole('button', { name: '申请住院' }));
  expect(screen.getByTestId('where')).toHaveTextContent('/lines/bedpool/cases/t7');
});
