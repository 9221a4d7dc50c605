import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';
import { hub, refuse } from '../test-hub';
import { me as doctor } from '../../dev/fixtures.ts';
import { lastDay, withExtension, withNumber } from './data';
import Heads from './heads';
import { changes } from './history';
import Import from './import';
import Orgs from './orgs';
import Partners from './partners';
import People from './people';
import Teams from './teams';

const keeper = { ...doctor, role: doctor.roles[1]! };

const n = (zh: string, en = zh) => ({ zh, en });
const held = (over: object) => ({
  role: 'PractitionerRole/r1', version: 1, code: 'post/clinical-director', name: n('业务主任', 'Clinical director'), person: { reference: 'Practitioner/li', display: '李主任' }, org: { reference: 'Organization/xn', display: '心内科' },
  from: '2025-12-31T16:00:00Z', rights: [], inForce: true, acting: true, known: '2026-01-01T01:00:00Z', ...over,
});
const catalogue = {
  types: [{ code: 'prov', zh: '医疗机构', en: 'Institution' }, { code: 'dept', zh: '科室', en: 'Department' }], levels: [{ code: 'county', zh: '县级医院', en: 'County hospital' }], grades: [{ code: '2-a', zh: '二级甲等', en: 'Grade 2 A' }],
  capabilities: [{ code: 'technique', zh: '技术', en: 'Technique' }], kinds: [{ code: 'doctor', zh: '执业医师', en: 'Doctor' }], bases: [{ code: 'filing', zh: '备案', en: 'Filing' }], rights: [{ code: 'prescribe', zh: '处方权', en: 'Prescribing' }],
  posts: [{ code: 'clinical-director', zh: '业务主任', en: 'Clinical director' }], roles: [{ code: 'receiving-doctor', zh: '接诊医生', en: 'Receiving doctor' }], approvals: [], acts: [], tables: [{ code: 'people', zh: '人员', en: 'people' }],
};
const member = {
  reference: 'Practitioner/li', name: '李主任', number: '1001', active: true, ends: '2026-11-25T16:00:00Z',
  licences: [{ kind: 'doctor', name: n('执业医师', 'Doctor'), number: '99110001', scope: '内科', places: [{ reference: 'Organization/output', display: '输出医院' }], until: '2026-11-25T16:00:00Z', inForce: true }],
  posts: [held({}), held({ role: 'PractitionerRole/r2', code: 'role/receiving-doctor', name: n('接诊医生'), basis: { code: 'filing', name: n('备案') }, rights: [{ code: 'prescribe', name: n('处方权'), inForce: true }] })],
};
const team = { id: 't1', name: '第一医疗组', org: { reference: 'Organization/xn', display: '心内科' }, active: true, version: 3, members: [{ person: { reference: 'Practitioner/li', display: '李主任' }, head: true, inForce: true }], may: true };
const partner = { reference: 'HealthcareService/s', name: '急诊冠脉介入', category: { code: 'technique', name: n('技术') }, by: { reference: 'Organization/xn', display: '心内科' }, institution: { reference: 'Organization/centre', display: '区域中心' }, inForce: true, own: false };
const say = {
  'GET /api/registry/catalogue': catalogue, 'GET /api/registry/posts': { held: [held({})] }, 'GET /api/registry/who': { held: [held({})] },
  'GET /api/registry/people': { people: [member], next: '' }, 'GET /api/registry/people/:id': member, 'GET /api/registry/expiring': { endings: [{ what: 'licence', person: { reference: 'Practitioner/li', display: '李主任' }, name: n('执业医师'), number: '99110001', orgs: [{ display: '心内科' }], until: '2026-11-25T16:00:00Z', over: false }] },
  'GET /api/registry/acts': { acts: [{ code: 'treat', name: n('诊疗'), may: true }, { code: 'prescribe-narcotic', name: n('开具麻醉药品'), may: false, why: n('本单位尚未授予您麻醉权限。请联系区域中心医务处'), refusal: 'not-granted-here' }] },
  'GET /api/registry/teams': { teams: [team] }, 'GET /api/registry/teams/:id/patients': { patients: [] }, 'GET /api/registry/partners': { partners: [partner] },
};

describe.each([
  { name: 'people', page: <People />, ask: 'GET /api/registry/people', empty: { people: [], next: '' }, says: /没有人员/, data: /李主任/ },
  { name: 'teams', page: <Teams />, ask: 'GET /api/registry/teams', empty: { teams: [] }, says: /还没有医疗组/, data: /第一医疗组/ },
  { name: 'partners', page: <Partners />, ask: 'GET /api/registry/partners', empty: { partners: [] }, says: /没有找到/, data: /急诊冠脉介入/ },
  { name: 'heads', page: <Heads org="Organization/xn" />, ask: 'GET /api/registry/posts', empty: { held: [] }, says: /还没有登记负责人/, data: /李主任/ },
])('$name', ({ page, ask, empty, says, data }) => {
  it('empty says what would appear', async () => {
    hub(page, { say: { ...say, [ask]: empty } });
    expect(await screen.findByText(says)).toBeInTheDocument();
  });
  it('an error says what and why', async () => {
    hub(page, { say: { ...say, [ask]: refuse(503, 'down', '数据库正在恢复') } });
    expect((await screen.findAllByRole('alert'))[0]).toHaveTextContent('数据库正在恢复');
  });
  it('shows its data', async () => {
    hub(page, { say });
    expect((await screen.findAllByText(data)).length).toBeGreaterThan(0);
  });
});

it('who was director on 3 March is asked with that day, and as known then', async () => {
  const { asked } = hub(<Heads org="Organization/xn" />, { say });
  const me = userEvent.setup();
  await me.type(screen.getByLabelText('哪一天的负责人'), '2026-03-03');
  expect(await screen.findByRole('status', { name: '哪一天的负责人' })).toHaveTextContent('业务主任 李主任');
  await me.type(screen.getByLabelText('按当时记录'), '2026-03-03');
  await waitFor(() => expect(asked.some((a) => a.path === '/api/registry/who' && a.search.includes('at=2026-03-03') && a.search.includes('known=2026-03-03'))).toBe(true));
});

it('a person opens with licence, basis, rights and what is refused with whom to ask', async () => {
  hub(<People />, { who: keeper, say, path: '/?at=Practitioner%2Fli' });
  const panel = await screen.findByRole('complementary', { name: '李主任' });
  expect(await within(panel).findByText('执业依据：备案')).toBeInTheDocument();
  expect(within(panel).getByText('处方权')).toBeInTheDocument();
  expect(await within(panel).findByText('诊疗')).toBeInTheDocument();
  expect(within(panel).getByText(/请联系区域中心医务处/)).toBeInTheDocument();
});

it('what ends soon is a list of its own', async () => {
  hub(<People />, { who: keeper, say });
  await userEvent.setup().click(await screen.findByRole('button', { name: /即将到期/ }));
  expect(await screen.findByRole('row', { name: /2026\/11\/25 李主任 执业证书 · 执业医师/ })).toBeInTheDocument();
});

it('a dispatch is one entry: where, until when, on which basis, with which rights', async () => {
  const { asked } = hub(<People />, { who: keeper, say, path: '/?at=Practitioner%2Fli' });
  const me = userEvent.setup();
  await me.click(await screen.findByRole('button', { name: '任命 / 派驻' }));
  const form = await screen.findByRole('form', { name: '任命 / 派驻' });
  await me.click(within(form).getByRole('button', { name: '保存' }));
  expect(await within(form).findByText('请选择机构、职务和开始日期。')).toBeInTheDocument();
  expect(asked.some((a) => a.method === 'POST')).toBe(false);
});

it('an institution with a wrong check digit is refused at its field', async () => {
  const organisation = { resourceType: 'Organization', id: 'centre', meta: { versionId: '3' }, name: '湘东区域医疗中心', identifier: [{ system: 'https://xinglin.health/fhir/sid/social-credit-code', value: '91350100M000100Y43' }] };
  const { asked } = hub(<Orgs />, { say: { ...say, 'GET /fhir/Organization/:id': organisation, 'PUT /fhir/Organization/:id': { refused: 422, resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'value', details: { coding: [{ code: 'bad-credit-code' }], text: '统一社会信用代码应为 18 位，且校验码不符' }, expression: ['Organization.identifier[0].value'] }] } } });
  const me = userEvent.setup();
  await me.click(await screen.findByText('湘东区域医疗中心'));
  const field = await screen.findByLabelText('统一社会信用代码');
  await waitFor(() => expect(field).toHaveValue('91350100M000100Y43'));
  await me.clear(field);
  await me.type(field, '91350100M000100Y44');
  await me.click(screen.getByRole('button', { name: '保存' }));
  expect(await screen.findByText(/校验码不符/)).toBeInTheDocument();
  expect(field).toHaveAttribute('aria-invalid', 'true');
  expect(asked.find((a) => a.method === 'PUT')?.headers['If-Match']).toBe('W/"3"');
});

const problem = { problems: [{ table: '人员', row: 3, column: '工号', code: 'bad-id', zh: '只能用字母、数字', en: 'letters and digits', value: '１２' }], more: 0, lines: [], counts: { created: 0, changed: 0, unchanged: 0 }, applied: false };
const good = { problems: [], more: 0, lines: [{ table: '人员', row: 2, reference: 'Practitioner/x', name: '张三', outcome: 'created' }], counts: { created: 1, changed: 0, unchanged: 4 }, applied: false };

it('a spreadsheet with an error names row and column and offers nothing to apply', async () => {
  hub(<Import />, { say: { ...say, 'POST /api/registry/import': problem } });
  await userEvent.setup().upload(screen.getByLabelText('选择文件', { selector: 'input' }), new File(['x'], 'a.csv'));
  expect(await screen.findByRole('row', { name: /人员 3 工号 １２ 只能用字母、数字/ })).toBeInTheDocument();
  expect(screen.getByText('1 处错误，未导入')).toBeInTheDocument();
  expect(screen.queryByRole('button', { name: /^导入/ })).not.toBeInTheDocument();
});

it('a good one is checked first and applied on a second word', async () => {
  const { asked } = hub(<Import />, { say: { ...say, 'POST /api/registry/import': good } });
  const me = userEvent.setup();
  await me.upload(screen.getByLabelText('选择文件', { selector: 'input' }), new File(['x'], 'a.csv'));
  expect(await screen.findByText('检查通过，尚未导入')).toBeInTheDocument();
  expect(asked.filter((a) => a.method === 'POST').every((a) => !a.search.includes('apply'))).toBe(true);
  await me.click(screen.getByRole('button', { name: '导入 1 项' }));
  await waitFor(() => expect(asked.some((a) => a.search.includes('apply=true'))).toBe(true));
});

it('a refused file is said', async () => {
  hub(<Import />, { say: { ...say, 'POST /api/registry/import': refuse(422, 'formula', '单元格 B2 是公式，请改为粘贴数值') } });
  await userEvent.setup().upload(screen.getByLabelText('选择文件', { selector: 'input' }), new File(['x'], 'a.xlsx'));
  expect(await screen.findByText(/单元格 B2 是公式/)).toBeInTheDocument();
});

it('dissolving a team says what it does', async () => {
  const { asked } = hub(<Teams />, { say });
  const me = userEvent.setup();
  await me.click(await screen.findByRole('button', { name: '第一医疗组' }));
  await me.click(await screen.findByRole('button', { name: '解散' }));
  const dialog = await screen.findByRole('dialog');
  expect(dialog).toHaveTextContent('解散后不能恢复');
  await me.click(within(dialog).getByRole('button', { name: '解散' }));
  await waitFor(() => expect(asked.find((a) => a.method === 'PATCH')?.body).toEqual({ end: true, version: 3 }));
});

it('the parts of a resource that a form does not know stay', () => {
  expect(withNumber([{ system: 'a', value: '1' }], 'b', '2')).toEqual([{ system: 'a', value: '1' }, { system: 'b', value: '2' }]);
  expect(withNumber([{ system: 'b', value: '1', period: { start: '2020' } }], 'b', '1')).toEqual([{ system: 'b', value: '1', period: { start: '2020' } }]);
  expect(withExtension([{ url: 'x', valueCode: '1' }, { url: 'y', valueCode: '2' }], 'x', undefined)).toEqual([{ url: 'y', valueCode: '2' }]);
  expect(lastDay('2026-11-25T16:00:00Z')).toBe('2026/11/25');
  expect(changes({ name: 'a', meta: { versionId: '1' }, list: [{ v: 1 }] }, { name: 'b', meta: { versionId: '2' }, list: [{ v: 1 }, { v: 2 }] })).toEqual([{ at: 'name', was: 'a', is: 'b' }, { at: 'list[1].v', was: '', is: '2' }]);
});

it('medical affairs reads the register, and is offered nothing that would be refused', async () => {
  hub(<People />, { who: { ...doctor, role: { ...doctor.role, role: 'medical-affairs' } }, say, path: '/?at=Practitioner%2Fli' });
  expect(await screen.findByRole('table', { name: '任职与职务' })).toBeInTheDocument();
  for (const name of ['新建人员', '从表格导入', '任命 / 派驻', '添加', '修改']) expect(screen.queryByRole('button', { name })).toBeNull();
});
