// The diagnosis of a referral is found among the codes that the administrator loaded.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { compose, enter, grown, open, serious, serve, settled, shoot } from './browser.mjs';

let hub, browser;
before(async () => {
  hub = await serve({ patients: 120, referrals: 20 });
  browser = await open();
}, { timeout: 180_000 });
after(async () => {
  await browser?.close();
  await hub?.stop();
});

const ask = (page, method, path, body) => page.evaluate(async ([method, path, body]) => {
  const me = await fetch('/api/me').then((r) => r.json());
  const r = await fetch(path, { method, headers: { 'Content-Type': 'application/fhir+json', 'X-CSRF-Token': me.csrf }, body: body && JSON.stringify(body) });
  return { status: r.status, body: await r.json().catch(() => null) };
}, [method, path, body]);

const system = 'urn:oid:2.16.156.10011.2.3.3.11';
const codes = [['I10.x00x002', '高血压'], ['I10.x00x023', '高血压1级'], ['I10.x00x027', '高血压2级'], ['I11.900', '高血压性心脏病'], ['I27.000', '原发性肺动脉高压'], ['H35.000x005', '高血压性视网膜病变'], ['I67.400', '高血压脑病'], ['L50.900', '荨麻疹']];

test('a doctor types initials and picks; the code is kept with its system', { timeout: 180_000 }, async () => {
  const admin = await enter(await browser.person(), hub.url, 'guanli');
  assert.ok([200, 201].includes((await ask(admin, 'PUT', '/fhir/CodeSystem/clinical', {
    resourceType: 'CodeSystem', id: 'clinical', url: system, version: '2.0', name: 'Clinical', status: 'active', content: 'fragment', caseSensitive: true,
    concept: [{ code: 'I10', display: '高血压类目', property: [{ code: 'notSelectable', valueBoolean: true }] }, ...codes.map(([code, display]) => ({ code, display }))],
  })).status));
  assert.ok([200, 201].includes((await ask(admin, 'PUT', '/fhir/ValueSet/diagnosis', {
    resourceType: 'ValueSet', id: 'diagnosis', url: 'https://xinglin.health/fhir/ValueSet/diagnosis', name: 'Diagnosis', status: 'active',
    compose: { include: [{ system, filter: [{ property: 'notSelectable', op: '=', value: 'false' }] }] },
  })).status));

  for (const [width, height] of [[1366, 768], [1920, 1080]]) {
    const doctor = await enter(await browser.person({ width, height }), hub.url, 'xiangcun');
    const all = (await ask(doctor, 'GET', '/fhir/Patient?_count=40&_sort=-_id')).body.entry.filter((e) => grown(e.resource)).map((e) => e.resource.id);
    let patient;
    for (const id of all) {
      const rows = (await ask(doctor, 'GET', `/api/lines/referral/open?patient=Patient/${id}`)).body;
      if (!(rows.rows ?? rows).length) { patient = id; break; }
    }
    assert.ok(patient, 'the village has a patient without an open referral');
    await doctor.goto(`${hub.url}/patients/${patient}`);
    await settled(doctor);
    await compose(doctor, '头痛三天，血压 190/110', '0730-5550101');
    const box = doctor.getByRole('combobox', { name: '诊断' });
    await box.pressSequentially('gxy', { delay: 40 });
    const choice = doctor.locator('.ant-select-item-option').filter({ hasText: 'I10.x00x002' });
    await choice.waitFor();
    const offered = await doctor.locator('.ant-select-item-option').allInnerTexts();
    assert.ok(!offered.some((o) => o.includes('类目')), `classes are not offered: ${offered}`);
    await settled(doctor);
    await shoot(doctor, `diagnosis-${width}`);
    await choice.click();
    assert.equal(await box.inputValue(), '高血压');
    await choice.waitFor({ state: 'hidden' }); // the list has gone before the page is looked at
    await settled(doctor);
    assert.deepEqual(await serious(doctor), []);
    await doctor.getByRole('button', { name: '提交转诊' }).click();
    await doctor.waitForURL(/\/cases\//);
    await doctor.locator('.case-title').waitFor();
    const task = doctor.url().split('/').at(-1);
    const focus = (await ask(doctor, 'GET', `/fhir/Task/${task}`)).body.focus.reference;
    const request = (await ask(doctor, 'GET', `/fhir/${focus}`)).body;
    assert.deepEqual(request.reasonCode[0].coding[0], { system, code: 'I10.x00x002', display: '高血压' });
    assert.deepEqual(doctor.complaints, []);
  }
});
