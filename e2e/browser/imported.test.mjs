// A patient who came over the FHIR API is found, referred, treated and sent home by people at their browsers; a stranger
// sees nothing, and the auditors see every touch.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { binary, compose, enter, open, root, serve, settled, shoot, step } from './browser.mjs';

const county = 'Organization/county-1';
const clinic = { reference: 'Organization/county-1-cardiology', display: '心血管内科' }; // whose doctors see the patient by his encounter
const archive = join(process.env.XINGLIN_DATA ?? resolve(root, '../shared/data'), 'synthea-r4/synthea-r4-bundles.tar.xz');

let hub, browser, token;
before(async () => {
  hub = await serve();
  browser = await open();
  // beside the running server, as an operator would
  if (hub.data) token = execFileSync(binary, ['token', '--data', hub.data, '--client', 'his', '--scope', 'system/*.cruds', '--org', county], { encoding: 'utf8' }).trim();
}, { timeout: 180_000 });
after(async () => {
  await browser?.close();
  await hub?.stop();
});

async function importing(bundle) {
  const answer = await fetch(`${hub.url}/fhir`, {
    method: 'POST', body: JSON.stringify(bundle), headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/fhir+json' },
  });
  const said = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(said).slice(0, 800));
  assert.deepEqual(said.entry.filter((e) => !e.response.status.startsWith('201')), []);
  const at = bundle.entry.findIndex((e) => e.resource.resourceType === 'Patient');
  return said.entry[at].response.location.split('/')[1];
}

// A woman of the county, as its hospital's own system would send her.
function madeUp() {
  const urn = (n) => `urn:uuid:0b5e1d3a-6a41-4c7e-9d52-3f8a1c0000${n}`;
  const day = (n, hour = '09:00') => `${new Date(Date.now() - n * 86_400_000).toISOString().slice(0, 10)}T${hour}:00+08:00`;
  const subject = { reference: urn('01') };
  const encounter = { reference: urn('02') };
  const code = (system, code, text) => ({ coding: [{ system, code, display: text }], text });
  const result = (n, loinc, text, value, unit, high) => [n, {
    resourceType: 'Observation', status: 'final', subject, encounter, effectiveDateTime: day(2, '10:30'), issued: day(2, '11:10'),
    category: [code('http://terminology.hl7.org/CodeSystem/observation-category', 'laboratory', '检验')],
    code: code('http://loinc.org', loinc, text), valueQuantity: { value, unit, system: 'http://unitsofmeasure.org', code: unit },
    referenceRange: [{ high: { value: high, unit } }],
    interpretation: value > high ? [code('http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation', 'H', '偏高')] : undefined,
  }];
  const entries = [
    ['01', {
      resourceType: 'Patient', identifier: [{ system: 'http://his.county.example/patients', value: 'H20260088' }],
      name: [{ use: 'official', text: '柏清禾', family: '柏', given: ['清禾'] }], gender: 'female', birthDate: '1958-03-14',
      telecom: [{ system: 'phone', value: '19901990088', use: 'mobile' }], address: [{ text: '青榆县城关镇' }],
    }],
    ['02', {
      resourceType: 'Encounter', status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB', display: '门诊' },
      type: [{ text: '心内科门诊' }], subject, period: { start: day(2, '09:40'), end: day(2, '11:40') }, serviceProvider: clinic,
    }],
    ['03', {
      resourceType: 'Condition', subject, encounter, onsetDateTime: day(5), recordedDate: day(2),
      clinicalStatus: code('http://terminology.hl7.org/CodeSystem/condition-clinical', 'active', '活动期'),
      code: code('http://hl7.org/fhir/sid/icd-10', 'I20.0', '不稳定型心绞痛'),
    }],
    result('04', '6598-7', '肌钙蛋白 T', 0.21, 'ug/L', 0.03),
    result('05', '2160-0', '肌酐', 71, 'umol/L', 97),
    ['06', {
      resourceType: 'DiagnosticReport', status: 'final', subject, encounter, effectiveDateTime: day(2, '10:30'), issued: day(2, '11:15'),
      code: { text: '心肌损伤标志物' }, result: [{ reference: urn('04'), display: '肌钙蛋白 T' }, { reference: urn('05'), display: '肌酐' }], conclusion: '肌钙蛋白升高，建议动态复查',
    }],
  ];
  return {
    resourceType: 'Bundle', type: 'transaction',
    entry: entries.map(([n, resource]) => ({ fullUrl: urn(n), resource, request: { method: 'POST', url: resource.resourceType } })),
  };
}

// A grown-up of the outside bundles who is alive and was ill, as the county's interface engine takes him in: what others
// did is told without them as providers, and today he came to the clinic.
function outside() {
  const file = 'Tony_Douglas_f6d715f8-94c0-49ad-a46a-4f96dc7a67b4.json';
  const name = execFileSync('tar', ['-tJf', archive], { encoding: 'utf8' }).split('\n').find((n) => n.endsWith(file));
  const bundle = JSON.parse(execFileSync('tar', ['-xJOf', archive, name], { encoding: 'utf8', maxBuffer: 64 << 20 }));
  for (const { resource } of bundle.entry) if (resource.resourceType === 'Encounter') delete resource.serviceProvider;
  const patient = bundle.entry.find((e) => e.resource.resourceType === 'Patient').fullUrl;
  bundle.entry.push({
    request: { method: 'POST', url: 'Encounter' }, resource: {
      resourceType: 'Encounter', status: 'in-progress', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' },
      subject: { reference: patient }, period: { start: new Date().toISOString() }, serviceProvider: clinic,
    },
  });
  return bundle;
}

const known = (p) => p.name[0].text ?? `${p.name[0].given[0]} ${p.name[0].family}`;

// find types the name into the search box and opens the first hit.
async function find(page, name) {
  await page.keyboard.press('/');
  await page.keyboard.type(name);
  const hit = page.getByRole('option', { name: new RegExp(name.split(' ').at(-1)) }).first();
  await hit.waitFor();
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/patients\//);
  await settled(page);
}

async function journey(bundle, tag) {
  const id = await importing(bundle);
  const name = known(bundle.entry.find((e) => e.resource.resourceType === 'Patient').resource);
  const condition = bundle.entry.find((e) => e.resource.resourceType === 'Condition').resource.code.text;

  // the county doctor finds the patient whom nobody typed in
  const doctor = await enter(await browser.person(), hub.url, 'xianyisheng');
  await find(doctor, name);
  assert.ok(doctor.url().endsWith(id), 'the search opens the imported patient');
  await shoot(doctor, `imported-${tag}-1-patient`);
  for (const kind of ['就诊', '诊断', '检查检验']) {
    await doctor.getByRole('button', { name: kind, exact: true }).click();
    const only = doctor.locator('.timeline .event').filter({ has: doctor.locator('.kind', { hasText: kind }) });
    await only.first().waitFor({ timeout: 15_000 });
    await doctor.waitForFunction((k) => [...document.querySelectorAll('.timeline .event .kind')].every((e) => e.textContent === k), kind, { timeout: 15_000 });
    if (kind === '诊断') await only.filter({ hasText: condition.slice(0, 6) }).first().waitFor({ timeout: 15_000 });
  }

  // and refers with what was imported in the packet
  await compose(doctor, '胸痛加重，肌钙蛋白升高，请求进一步诊治', '0730-5550102');
  await settled(doctor);
  await doctor.locator('.packet-list input:checked').nth(1).waitFor();
  const packed = await doctor.locator('.packet-list input:checked').count();
  assert.ok(packed >= 2, `the record offers itself for the packet; got ${packed}`);
  await shoot(doctor, `imported-${tag}-2-compose`);
  await doctor.getByRole('button', { name: '提交转诊' }).click();
  await doctor.waitForURL(/\/cases\//);
  await doctor.locator('.case-title .mark').filter({ hasText: '待接收' }).waitFor();
  const task = doctor.url().split('/').at(-1);

  // the centre: its office receives, its cardiologist accepts
  const office = await enter(await browser.person(), hub.url, 'zhuanzhenban');
  await office.goto(`${hub.url}/lines/referral?view=in&q=${encodeURIComponent(name)}`);
  await office.getByRole('row', { name: new RegExp(name) }).first().click();
  await office.locator('.case-title').waitFor();
  await settled(office);
  await shoot(office, `imported-${tag}-3-office`);
  await office.goto(`${hub.url}/lines/referral/cases/${task}`);
  await step(office, '接收', '已接收', { 科室: '心血管内科' });
  const cardiologist = await enter(await browser.person(), hub.url, 'xinnei');
  await cardiologist.goto(`${hub.url}/lines/referral/cases/${task}`);
  await settled(cardiologist);
  const packet = await cardiologist.evaluate((t) => fetch(`/api/lines/referral/cases/${t}`).then((r) => r.json()).then((c) => c.packet), task);
  assert.equal(packet.items.length, packed, 'the packet holds what was chosen');
  assert.ok(packet.complete && packet.hash && packet.frozenAt, 'the packet is whole and frozen');
  await step(cardiologist, '接诊', '已接诊', { 联系人: '林芳', 联系电话: '0731-5550199' });
  await shoot(cardiologist, `imported-${tag}-4-accepted`);

  // on the way, treated, and home with a plan
  await doctor.locator('.case-title .mark').filter({ hasText: '已接诊' }).waitFor({ timeout: 20_000 });
  await step(doctor, '出发', '转运中');
  await cardiologist.locator('.case-title .mark').filter({ hasText: '转运中' }).waitFor({ timeout: 20_000 });
  await step(cardiologist, '到达', '已到达');
  await step(cardiologist, '诊治完成', '已诊治', { 诊治小结: '冠脉支架一枚，术后平稳' });
  await step(cardiologist, '下转', '已诊治', { 康复与治疗计划: '双联抗血小板一年，低盐饮食', 危险信号: '胸痛再发', 联系人: '林芳', 联系电话: '0731-5550199' }, '患者本人同意');
  await shoot(cardiologist, `imported-${tag}-5-sent-back`);
  await doctor.goto(`${hub.url}/lines/referral?view=in&flow=down&q=${encodeURIComponent(name)}`);
  await doctor.getByRole('row', { name: new RegExp(name) }).first().click();
  await doctor.locator('.case-title').waitFor();
  await settled(doctor);
  assert.match(await doctor.locator('.desk-case').innerText(), /双联抗血小板/);
  await step(doctor, '承接', '已承接', { 联系人: '杜文斌', 联系电话: '0730-5550102' });
  await step(doctor, '患者已回', '已回到当地');
  await shoot(doctor, `imported-${tag}-6-home`);

  // a hospital that is party to nothing
  const stranger = await enter(await browser.person(), hub.url, 'xiezuo');
  await stranger.keyboard.press('/');
  await stranger.keyboard.type(name);
  await stranger.locator('.search-found [role=status]').filter({ hasText: '没有' }).waitFor();
  await shoot(stranger, `imported-${tag}-7-stranger`);
  assert.equal(await stranger.getByRole('option').count(), 0, 'the stranger finds nobody');
  for (const path of [`/fhir/Patient/${id}`, `/api/patients/${id}`, `/fhir/Task/${task}`, `/api/lines/referral/cases/${task}`])
    assert.equal(await stranger.evaluate((p) => fetch(p).then((r) => r.status), path), 404, path);

  // the auditors: the county's sees every touch of its patient, the centre's, who reads no name, what the centre did
  const touched = async (who, known, picture) => {
    const page = await enter(await browser.person(), hub.url, who);
    await page.goto(`${hub.url}/audit?view=single`);
    await settled(page);
    await page.getByRole('button', { name: known, exact: true }).first().click();
    await page.waitForURL(/patient=/);
    const log = page.getByRole('table', { name: '访问记录' });
    await log.waitFor();
    await page.waitForFunction((n) => [...document.querySelectorAll('table.audit tbody tr')].every((r) => r.textContent.includes(n)), known);
    await settled(page);
    await shoot(page, picture);
    while (await page.getByRole('button', { name: '更早的记录' }).count()) {
      await page.getByRole('button', { name: '更早的记录' }).click();
      await settled(page);
    }
    assert.deepEqual(page.complaints, []);
    return log.locator('tbody tr').allInnerTexts();
  };
  const all = await touched('xianshenji', name, `imported-${tag}-8-audit-county`);
  const seen = (rows, ...words) => rows.some((r) => words.every((w) => r.includes(w)));
  const must = [
    ['his', '批量写入'], ['杜文斌', '查找患者'], ['杜文斌', '打开患者页面'], ['杜文斌', '操作：发起转诊'], ['任雪梅', '操作：接收'], ['魏爱华', '操作：接诊'],
    ['杜文斌', '操作：出发'], ['魏爱华', '操作：到达'], ['魏爱华', '操作：诊治完成'], ['魏爱华', '操作：下转'], ['杜文斌', '操作：承接'], ['杜文斌', '操作：患者已回'],
  ];
  for (const words of must) assert.ok(seen(all, ...words), `${words.join(' ')} stands in the access log:\n${all.join('\n')}`);
  const centre = await touched('shenji', id, `imported-${tag}-9-audit-centre`);
  assert.ok(seen(centre, '魏爱华', '操作：接诊'), 'the centre sees what its own people did');
  assert.ok(!seen(centre, '杜文斌'), 'and not what the county did with its own patient');

  for (const page of [doctor, office, cardiologist, stranger]) {
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  }
  return { id, task, name };
}

test('a patient of the county’s own system goes to the centre and comes home', { timeout: 300_000 }, async (t) => {
  if (!token) return t.skip('a server that already runs gives no token');
  const { id, task, name } = await journey(madeUp(), 'made-up');
  const phone = await enter(await browser.person({ width: 390, height: 844 }), hub.url, 'xianyisheng');
  for (const [path, picture] of [['/', 'work'], [`/patients/${id}`, 'patient'], [`/lines/referral/cases/${task}`, 'case'], [`/lines/referral/new?patient=${id}`, 'compose'], [`/lines/referral?view=closed&q=${encodeURIComponent(name)}`, 'list']]) {
    await phone.goto(hub.url + path);
    await phone.locator('main#content > *').first().waitFor();
    await settled(phone);
    await shoot(phone, `imported-phone-${picture}`);
  }
  await phone.context().close();
});

test('a patient of a Synthea bundle goes to the centre and comes home', { timeout: 300_000 }, async (t) => {
  if (!token) return t.skip('a server that already runs gives no token');
  if (!existsSync(archive)) return t.skip(`no outside data at ${archive}`);
  await journey(outside(), 'synthea');
});
