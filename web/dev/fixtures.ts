// Made-up answers in the shapes of docs/api.md, for the dev page and the unit tests; never shipped.
import type { Case, Line, Me, PatientPage, Row } from '../src/fhir/types.ts';

const n = (zh: string, en: string) => ({ zh, en });
const org = (id: string, display: string) => ({ reference: `Organization/${id}`, display });
const inMinutes = (m: number) => new Date(Date.now() + m * 60_000).toISOString();

export const county = org('county', '青溪县总医院');
export const centre = org('centre', '湘东区域医疗中心');

export const me: Me = {
  user: { id: 'u1', name: '周敏', practitioner: 'Practitioner/p1', lang: 'zh' },
  role: { id: 'r1', role: 'referring-doctor', roleName: n('转诊医生', 'Referring doctor'), org: county, institution: county },
  roles: [
    { id: 'r1', role: 'referring-doctor', roleName: n('转诊医生', 'Referring doctor'), org: county, institution: county },
    { id: 'r2', role: 'administrator', roleName: n('管理员', 'Administrator'), org: county, institution: county },
  ],
  csrf: 'made-up', hub: { name: n('杏林', 'Xinglin'), version: 'dev' }, demo: true,
};

const states = [
  { code: 'submitted', name: n('待接收', 'Submitted'), kind: 'open' as const, main: true },
  { code: 'received', name: n('已接收', 'Received'), kind: 'open' as const, main: true },
  { code: 'accepted', name: n('已接诊', 'Accepted'), kind: 'open' as const, main: true },
  { code: 'arrived', name: n('已到达', 'Arrived'), kind: 'open' as const, main: true },
  { code: 'closed', name: n('已结案', 'Closed'), kind: 'done' as const, main: true },
  { code: 'declined', name: n('未接收', 'Declined'), kind: 'closed' as const },
];

export const line: Line = {
  slug: 'referral', name: n('双向转诊', 'Two-way referral'),
  flows: [{ code: 'up', name: n('上转', 'Up-referral'), states, steps: [] }],
  start: [{
    flow: 'up', name: n('上转', 'Up-referral'),
    form: { fields: [
      { name: 'patient', label: n('患者', 'Patient'), type: 'patient', required: true },
      { name: 'to', label: n('转往机构', 'To'), type: 'organization', required: true },
      { name: 'urgency', label: n('紧急程度', 'Urgency'), type: 'choice', default: 'routine', options: [
        { code: 'routine', name: n('普通', 'Routine') }, { code: 'urgent', name: n('紧急', 'Urgent') }, { code: 'emergency', name: n('急诊', 'Emergency') }] },
      { name: 'reason', label: n('病情与转诊原因', 'Condition and reason'), type: 'textarea', required: true },
      { name: 'diagnosis', label: n('诊断', 'Diagnosis'), type: 'code', system: 'icd-10' },
      { name: 'documents', label: n('随转资料', 'Packet'), type: 'documents' },
      { name: 'coordinator', label: n('联系人', 'Coordinator'), type: 'text', required: true, waivedInEmergency: true },
      { name: 'phone', label: n('联系电话', 'Telephone'), type: 'phone', required: true, waivedInEmergency: true },
    ] },
  }],
  views: [['mine', '等我处理', 'Mine'], ['in', '转入', 'In'], ['out', '转出', 'Out'], ['late', '超时', 'Late'], ['closed', '已结束', 'Closed']].map(([code, zh, en]) => ({ code: code!, name: n(zh!, en!) })),
};

export function row(i: number, more: Partial<Row> = {}): Row {
  const s = states[i % 4]!;
  return {
    task: `Task/t${i}`, flow: 'up', urgency: (['emergency', 'urgent', 'routine'] as const)[i % 3]!,
    patient: { reference: `Patient/p${i}`, name: ['张三', '李四', '王小梅', '欧阳建国'][i % 4]!, sex: i % 2 ? 'female' : 'male', age: 30 + i, birthDate: '1963-05-01' },
    what: ['胸痛待查', '脑梗死', '股骨颈骨折', '2型糖尿病伴足溃疡'][i % 4]!, from: county, to: centre, state: s.code, stateName: s.name, stateKind: s.kind,
    due: inMinutes(i === 0 ? -32 : i * 47), enteredAt: inMinutes(-90), late: i === 0, actor: i % 2 ? centre : county, mine: i % 2 === 0, updated: inMinutes(-5), version: '3', ...more,
  };
}
export const rows = Array.from({ length: 26 }, (_, i) => row(i));

export const theCase: Case = {
  row: row(1, { state: 'received', stateName: states[1]!.name }),
  coordinators: [{ side: 'from', name: '周敏', phone: '0730-5550101' }, { side: 'to', name: '林芳', phone: '0731-5550199' }],
  path: [
    { state: 'submitted', stateName: states[0]!.name, at: inMinutes(-180), by: { name: '周敏', org: '青溪县总医院' }, stayed: 'PT1H5M', step: 'send' },
    { state: 'received', stateName: states[1]!.name, at: inMinutes(-115), by: { name: '林芳', org: '湘东区域医疗中心' }, step: 'receive' },
  ],
  open: [
    { do: 'accept', name: n('接诊', 'Accept'), primary: true, effect: n('通知申请方安排患者前来', 'Tells the sender'), form: { fields: [
      { name: 'outcome', label: n('接诊方式', 'Outcome'), type: 'choice', required: true, default: 'clinic', options: [{ code: 'clinic', name: n('门诊号源', 'Clinic slot') }, { code: 'advice', name: n('回复建议', 'Advice') }] },
      { name: 'advice', label: n('建议', 'Advice'), type: 'textarea', required: true, showIf: { field: 'outcome', in: ['advice'] } },
      { name: 'phone', label: n('联系电话', 'Telephone'), type: 'phone', required: true },
    ] } },
    { do: 'decline', name: n('不接收', 'Decline'), form: { fields: [] } },
    { do: 'redirect', name: n('转往他院', 'Redirect'), form: { fields: [] } },
  ],
  waiting: { actor: centre, due: inMinutes(47), text: n('等湘东区域医疗中心接诊', 'Waits for the centre') },
  packet: { frozenAt: inMinutes(-180), hash: 'a3f5c0de99aa', complete: true, missing: [n('心电图', 'ECG')], items: [{ reference: 'Observation/o1', kind: 'result', title: '肌钙蛋白 I 0.8 ng/mL ↑', at: inMinutes(-300) }, { reference: 'DocumentReference/d1', kind: 'summary', title: '病历摘要', at: inMinutes(-200) }] },
  insurance: { place: '青溪县', type: 'resident', filing: 'to-file', warning: n('尚未备案，请在出院结算前补办', 'Not filed yet') },
  chain: [{ task: 'Task/t0', flow: 'up', state: 'redirected', stateName: n('已转他院', 'Redirected'), from: county, to: org('x', '市二院'), at: inMinutes(-400), closed: true }, { task: 'Task/t1', flow: 'up', state: 'received', stateName: states[1]!.name, from: county, to: centre, at: inMinutes(-180), current: true }],
  messages: [{ id: 'm1', at: inMinutes(-60), by: { name: '林芳', org: '湘东区域医疗中心' }, text: '请补传心电图。' }],
};

export const patient: PatientPage = {
  banner: { reference: 'Patient/p1', name: '李四', sex: 'female', age: 62, birthDate: '1963-05-01', idMasked: '990***********1234', phoneMasked: '199****0001', address: '青溪县', allergies: ['青霉素'], alerts: ['跌倒高风险'], custodian: county },
  timeline: [
    { at: inMinutes(-300), kind: 'result', title: '肌钙蛋白 I', detail: '0.8 ng/mL（参考 <0.04）', org: '青溪县总医院', reference: 'Observation/o1', abnormal: true },
    { at: inMinutes(-310), kind: 'condition', title: '胸痛', detail: '', org: '青溪县总医院', reference: 'Condition/c1' },
    { at: inMinutes(-4000), kind: 'referral', title: '上转 湘东区域医疗中心', detail: '已结案', org: '青溪县总医院', reference: 'Task/t9' },
  ],
  next: '',
};

const failing = {
  id: 's1', status: 'error', org: county, account: 'HIS', reason: 'HIS 对接', criteria: 'Task', topic: n('转诊等协作任务的状态、承办方或期限变化', 'A Task changes'), channel: 'rest-hook', to: 'https://his.example.cn/hook',
  content: 'id-only', delivered: inMinutes(-70), last: 41, waiting: 0, dead: 3, missed: 0, attempts: 20, error: 'answered 502', errorAt: inMinutes(-2), created: inMinutes(-9000),
};

export const answers: Record<string, unknown> = {
  'GET /api/me': me,
  'POST /api/login': me,
  'GET /api/lines': [line],
  'GET /api/counts': { referral: { waiting: 3, late: 1, open: 12, mineLate: 1 } },
  'GET /api/work': { rows: rows.filter((r) => r.mine), total: 13 },
  'GET /api/lines/referral/worklist': { rows, total: 26, next: '', counts: { mine: 13, in: 20, out: 6, late: 1 } },
  'GET /api/lines/referral/cases/:id': theCase,
  'GET /api/lines/referral/open': [row(2, { duplicate: true, task: 'Task/t2' })],
  'GET /api/lines/referral/indicators': [
    { code: 'response-urgent', version: '1', name: n('紧急转诊 2 小时内接收', 'Urgent received within 2 h'), unit: '%', direction: 'up', source: '双向转诊规范', numerator: 41, denominator: 48, value: 0.854, definition: n('提交到接收不超过 2 小时的紧急转诊占比', 'share'), complete: 0.98 },
    { code: 'down', version: '1', name: n('下转人次', 'Down-referrals'), unit: '人次', direction: 'up', source: '国考指标 2', numerator: 63, denominator: null, value: 63, definition: n('已到达的下转人次', 'count'), complete: null },
  ],
  'GET /api/lines/referral/indicators/:code/cases': { rows: rows.slice(0, 4), next: '' },
  'GET /api/patients': [patient.banner],
  'GET /api/patients/:id': patient,
  'POST /api/patients/:id/reveal': { value: '990102196305011234' },
  'GET /api/notices': { notices: [{ seq: 2, at: inMinutes(-3), kind: 'referral.submitted', line: 'referral', focus: 'Task/t1', text: n('有一件紧急转诊等待接收', 'An urgent referral waits'), due: inMinutes(100), mine: true }], unread: 1 },
  'GET /api/admin/orgs': [{ reference: 'Organization/centre', name: '湘东区域医疗中心', children: [] }, { reference: 'Organization/county', name: '青溪县总医院', children: [{ reference: 'Organization/v1', name: '石桥村卫生室', children: [] }] }],
  'GET /api/admin/users': [{ id: 'u1', username: 'zhoumin', name: '周敏', roles: [{ role: 'referring-doctor', org: county }], manageable: true }],
  'GET /api/login': { hospitals: [{ slug: 'county', name: n('青溪县总医院', 'Qingxi hospital') }], passkeys: true, second: null, demo: true, lenient: true },
  'GET /api/rules': { sentences: [{ code: 'password', zh: '密码至少 10 个字符。', en: 'At least 10 characters.' }], least: 10 },
  'GET /api/me/factors': { factors: [{ id: 'f1', kind: 'totp', name: '手机', created: inMinutes(-9000), used: inMinutes(-60) }], recovery: 9, needed: false, passkeys: true, proved: true, strong: true },
  'GET /api/me/sessions': { sessions: [
    { id: 's1', created: inMinutes(-60), used: inMinutes(-1), remote: '10.1.2.3', agent: 'Chrome 109 · Windows 7', how: 'password totp', strong: true, mine: true },
    { id: 's2', created: inMinutes(-600), used: inMinutes(-20), remote: '203.0.113.9', agent: '微信 · Android', how: 'oidc:county', strong: false, mine: false }], strangers: [] },
  'GET /api/admin/roles': { roles: [{ role: 'referral-office', roleName: n('转诊办', 'Referral office') }, { role: 'administrator', roleName: n('管理员', 'Administrator') }] },
  'GET /api/admin/users/:id/sessions': { sessions: [] },
  'GET /api/admin/channels': [{ id: 'c1', org: county, kind: 'webhook', url: 'http://127.0.0.1:9/hook', enabled: true }],
  'GET /api/admin/subscriptions': { subscriptions: [failing, { ...failing, id: 's2', status: 'active', org: { reference: 'Organization/centre', display: '湘东区域医疗中心' }, account: '检验系统', topic: undefined, criteria: 'Observation?code=8867-4&patient=…', dead: 0, error: undefined, attempts: 0 }] },
  'GET /api/admin/subscriptions/:id': { ...failing, troubles: [{ at: inMinutes(-2), attempt: 20, text: 'answered 502' }], events: [{ number: 41, type: 'Task', at: inMinutes(-9), state: 'dead' }, { number: 40, type: 'Task', at: inMinutes(-70), state: 'delivered' }] },
  'POST /api/admin/subscriptions/:id/resend': { count: 3 },
  'POST /api/admin/subscriptions/:id/drop': { count: 3 },
  'GET /api/audit/groups': { groups: [{ from: inMinutes(-64), until: inMinutes(-4), first: inMinutes(-50), last: inMinutes(-4), user: 'u1', name: '周敏', role: 'referring-doctor', roleName: n('转诊医生', 'Referring doctor'), org: county, count: 7, acts: [{ what: 'patient-page', name: n('打开患者页面', 'Open a patient'), count: 5 }, { what: 'reveal:id', name: n('查看完整证件号', 'Reveal the ID number'), count: 2 }], patients: [{ reference: 'Patient/p1', name: '李四' }], others: 0, purposes: [n('诊疗', 'Treatment')], reasons: ['emergency'], remotes: ['10.1.2.3'], refused: 1, marked: true }], next: '' },
  'GET /api/audit/why/:seq': { seq: 9, ways: [{ patient: 'Patient/p1', party: 'Organization/county', partyName: '青溪县人民医院', basis: 'encounter', basisName: n('就诊、住院', 'Encounter'), source: 'Encounter/e1', from: inMinutes(-5000) }] },
  'GET /api/audit/patient/:id': { patient: { reference: 'Patient/p1', name: '李四' }, from: inMinutes(-500000), made: inMinutes(0), by: '审计员', org: '青溪县人民医院', more: false, lines: [{ at: inMinutes(-64), who: '周敏', role: n('转诊医生', 'Referring doctor'), org: '青溪县人民医院', did: [n('打开患者页面', 'Open a patient')], count: 5, purposes: [n('诊疗', 'Treatment')], asked: false }] },
  'GET /api/me/trail': { from: inMinutes(-500000), made: inMinutes(0), lines: [] },
  'GET /api/audit': { entries: [{ seq: 9, at: inMinutes(-4), user: 'u1', name: '周敏', role: 'referring-doctor', org: county, action: 'R', what: 'read', whatName: n('查看患者', 'Read a patient'), target: 'Patient/p1', patients: [{ reference: 'Patient/p1', name: '李四' }], outcome: '0', remote: '10.1.2.3', request: 'q1' }], next: '' },
};

// answer finds what a request gets: exact, or with one part of the path as :id.
export function answer(method: string, path: string, table: Record<string, unknown> = answers): unknown {
  const exact = `${method} ${path}`;
  if (exact in table) return table[exact];
  for (const [k, v] of Object.entries(table)) {
    const [m, p] = k.split(' ');
    if (m === method && p?.includes('/:') && new RegExp(`^${p.replace(/:[a-z]+/g, '[^/]+')}$`).test(path)) return v;
  }
  return undefined;
}
