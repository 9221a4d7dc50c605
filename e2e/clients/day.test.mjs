// A day of two programs at a hospital: an interface engine that writes (fhir-kit-client), an analysis that reads (@medplum/core).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client } from 'fhir-kit-client';
import { MedplumClient } from '@medplum/core';
import { startHub } from './hub.mjs';

const loinc = 'http://loinc.org', ucum = 'http://unitsofmeasure.org', icd = 'https://example.org/icd-10-demo';
let hub, client, medplum;
before(async () => {
  hub = await startHub();
  client = new Client({ baseUrl: hub.base, bearerToken: hub.token });
  medplum = new MedplumClient({ baseUrl: `${hub.origin}/`, fhirUrlPath: 'fhir', fetch, cacheTime: 0 });
  medplum.setAccessToken(hub.token);
});
after(() => hub?.stop());

const count = async (resourceType, searchParams) => (await client.search({ resourceType, searchParams: { ...searchParams, _summary: 'count' } })).total;
const refused = async (status, call) => {
  const error = await call().then(() => null, (e) => e);
  assert.ok(error, `want a refusal with ${status}`);
  assert.equal(error.response?.status ?? error.status, status);
};

test('a day of an interface engine and of an analysis', async (t) => {
  let ward, mother, child;
  await t.test('07:30 the registers: organisations, a ward, a code system with its value set', async () => {
    const county = await client.create({ resourceType: 'Organization', body: { resourceType: 'Organization', name: '某县人民医院' } });
    ward = await client.create({ resourceType: 'Location', body: { resourceType: 'Location', name: '心内科一病区', managingOrganization: { reference: `Organization/${county.id}` } } });
    await client.update({ resourceType: 'CodeSystem', id: 'icd', body: { resourceType: 'CodeSystem', id: 'icd', url: icd, status: 'active', content: 'complete', hierarchyMeaning: 'is-a', concept: [
      { code: 'I10-I15', display: '高血压病', concept: [{ code: 'I10', display: '特发性（原发性）高血压', concept: [{ code: 'I10.x02', display: '高血压病1级' }, { code: 'I10.x03', display: '高血压病2级' }] }] },
      { code: 'E11', display: '2型糖尿病' },
    ] } });
    await client.update({ resourceType: 'ValueSet', id: 'hypertension', body: { resourceType: 'ValueSet', id: 'hypertension', url: `${icd}/hypertension`, status: 'active', compose: { include: [{ system: icd, filter: [{ property: 'concept', op: 'is-a', value: 'I10' }] }] } } });
  });

  await t.test('08:00 admissions arrive twice, with their history; the second time changes nothing', async () => {
    const identifier = [{ system: 'https://example.org/mrn', value: 'MZ-0001' }];
    const bundle = { resourceType: 'Bundle', type: 'transaction', entry: [
      { fullUrl: 'urn:uuid:10000000-0000-4000-8000-000000000001', resource: { resourceType: 'Patient', identifier, name: [{ text: '王小红', family: '王', given: ['小红'] }], gender: 'female', birthDate: '1990-02-28' }, request: { method: 'POST', url: 'Patient', ifNoneExist: 'identifier=https://example.org/mrn|MZ-0001' } },
      { fullUrl: 'urn:uuid:10000000-0000-4000-8000-000000000002', resource: { resourceType: 'Encounter', status: 'in-progress', identifier: [{ system: 'https://example.org/visit', value: 'ZY-1' }], class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'IMP' }, subject: { reference: 'urn:uuid:10000000-0000-4000-8000-000000000001' }, location: [{ location: { reference: `Location/${ward.id}` } }] }, request: { method: 'POST', url: 'Encounter', ifNoneExist: 'identifier=https://example.org/visit|ZY-1' } },
      { resource: { resourceType: 'Condition', identifier: [{ system: 'https://example.org/dx', value: '1' }], code: { coding: [{ system: icd, code: 'I10.x03', display: '高血压病2级' }], text: '高血压2级，很高危' }, subject: { reference: 'urn:uuid:10000000-0000-4000-8000-000000000001' }, encounter: { reference: 'urn:uuid:10000000-0000-4000-8000-000000000002' } }, request: { method: 'POST', url: 'Condition', ifNoneExist: 'identifier=https://example.org/dx|1' } },
    ] };
    const first = await client.transaction({ body: bundle });
    assert.deepEqual(first.entry.map((e) => e.response.status.slice(0, 3)), ['201', '201', '201']);
    const second = await client.transaction({ body: bundle });
    assert.deepEqual(second.entry.map((e) => e.response.status.slice(0, 3)), ['200', '200', '200']);
    mother = await medplum.searchOne('Patient', 'identifier=https://example.org/mrn|MZ-0001');
    assert.equal((await medplum.readHistory('Patient', mother.id)).entry.length, 1);
  });

  await t.test('09:00 pressures and a weight in other units, in one batch', async () => {
    const observation = (day, systolic, diastolic) => ({ request: { method: 'POST', url: 'Observation' }, resource: { resourceType: 'Observation', status: 'final', code: { coding: [{ system: loinc, code: '85354-9' }], text: '血压' }, subject: { reference: `Patient/${mother.id}` }, effectiveDateTime: `2026-03-${day}T08:00:00+08:00`, component: [
      { code: { coding: [{ system: loinc, code: '8480-6' }] }, valueQuantity: { value: systolic, unit: 'mmHg', system: ucum, code: 'mm[Hg]' } },
      { code: { coding: [{ system: loinc, code: '8462-4' }] }, valueQuantity: { value: diastolic, unit: 'mmHg', system: ucum, code: 'mm[Hg]' } }] } });
    const weight = { request: { method: 'POST', url: 'Observation' }, resource: { resourceType: 'Observation', status: 'final', code: { coding: [{ system: loinc, code: '29463-7' }] }, subject: { reference: `Patient/${mother.id}` }, effectiveDateTime: '2026-03-01', valueQuantity: { value: 61.5, unit: 'kg', system: ucum, code: 'kg' } } };
    const answer = await client.batch({ body: { resourceType: 'Bundle', type: 'batch', entry: [observation('01', 168, 92), observation('02', 138, 96), weight] } });
    assert.ok(answer.entry.every((e) => e.response.status.startsWith('201')));
    // on the same repetition: 92 is not a systolic value
    assert.equal(await count('Observation', { 'component-code-value-quantity': '8480-6$gt140' }), 1);
    assert.equal(await count('Observation', { 'component-code-value-quantity': '8480-6$lt100' }), 0);
    assert.equal(await count('Observation', { 'code-value-quantity': `${loinc}|29463-7$gt61000|${ucum}|g` }), 1);
    assert.equal(await count('Observation', { 'value-quantity': `61.5|${ucum}|kg` }), 1);
    assert.equal(await count('Patient', { '_has:Observation:patient:component-code-value-quantity': '8480-6$ge160' }), 1);
    assert.equal(await count('Condition', { 'code:in': `${icd}/hypertension` }), 1);
    assert.equal(await count('Condition', { 'code:below': `${icd}|I10` }), 1);
    assert.equal(await count('Condition', { 'code:not-in': `${icd}/hypertension` }), 0);
    assert.equal(await count('Condition', { 'code:text': '很高危' }), 1);
    assert.equal(await count('Patient', { phonetic: 'wxh' }), 1);
  });

  await t.test('10:00 a correction by patch, with its provenance; a lost update is refused', async () => {
    const patched = await medplum.patchResource('Patient', mother.id, [{ op: 'test', path: '/birthDate', value: '1990-02-28' }, { op: 'replace', path: '/birthDate', value: '1990-02-18' }, { op: 'add', path: '/telecom', value: [{ system: 'phone', value: '13900000000' }] }]);
    assert.equal(patched.birthDate, '1990-02-18');
    await refused(412, () => client.patch({ resourceType: 'Patient', id: mother.id, jsonPatch: [{ op: 'replace', path: '/gender', value: 'male' }], options: { headers: { 'If-Match': 'W/"1"' } } }));
    await client.update({ resourceType: 'Patient', id: mother.id, body: { ...patched, maritalStatus: { text: '已婚' } }, options: { headers: { 'X-Provenance': JSON.stringify({ resourceType: 'Provenance', recorded: '2026-03-02T10:00:00+08:00', agent: [{ who: { display: 'interface engine' } }] }) } } });
    assert.equal(await count('Provenance', { target: `Patient/${mother.id}` }), 1);
    assert.equal((await client.vread({ resourceType: 'Patient', id: mother.id, version: '1' })).birthDate, '1990-02-28');
  });

  await t.test('11:00 a newborn that came without a name is validated before it is sent', async () => {
    const baby = { resourceType: 'Patient', gender: 'girl', birthDate: '2026-03-02', contact: [{ relationship: [{ text: '母亲' }] }] };
    const found = await client.operation({ resourceType: 'Patient', name: 'validate', input: baby });
    assert.ok(found.issue.some((i) => i.severity === 'error' && /gender/.test(i.expression?.[0] ?? '')));
    assert.ok(found.issue.some((i) => /pat-1/.test(JSON.stringify(i))), 'a contact needs details or an organisation');
    child = await client.create({ resourceType: 'Patient', body: { resourceType: 'Patient', name: [{ text: '王小红之女' }], gender: 'female', birthDate: '2026-03-02', link: [{ other: { reference: `Patient/${mother.id}` }, type: 'seealso' }] } });
  });

  await t.test('14:00 a term is looked for by initials, and translated by its tree', async () => {
    const expanded = await client.operation({ resourceType: 'ValueSet', name: 'expand', method: 'GET', input: { url: `${icd}/hypertension`, filter: 'gxy', count: 10 } });
    assert.deepEqual(expanded.expansion.contains.map((c) => c.code).sort(), ['I10', 'I10.x02', 'I10.x03']);
    const subsumes = await client.operation({ resourceType: 'CodeSystem', name: 'subsumes', method: 'GET', input: { system: icd, codeA: 'I10', codeB: 'I10.x03' } });
    assert.equal(subsumes.parameter.find((p) => p.name === 'outcome').valueCode, 'subsumes');
  });

  await t.test('15:00 the whole record, the last values, one page of the compartment', async () => {
    const everything = await medplum.readPatientEverything(mother.id);
    const types = new Set(everything.entry.map((e) => e.resource.resourceType));
    for (const type of ['Patient', 'Encounter', 'Condition', 'Observation']) assert.ok(types.has(type), `$everything lacks ${type}`);
    assert.ok(!everything.entry.some((e) => e.resource.id === child.id && e.resource.resourceType === 'Patient'), 'the child is another person');
    const last = await client.operation({ resourceType: 'Observation', name: 'lastn', method: 'GET', input: { patient: mother.id, max: 1 } });
    assert.deepEqual(last.entry.filter((e) => e.search?.mode !== 'outcome').map((e) => e.resource.effectiveDateTime).sort(), ['2026-03-01', '2026-03-02T08:00:00+08:00']);
    const compartment = await client.compartmentSearch({ compartment: { resourceType: 'Patient', id: mother.id }, resourceType: 'Observation', searchParams: { date: 'ge2026-03-02' } });
    assert.equal(compartment.entry.length, 1);
  });

  await t.test('16:00 the analysis takes everything out, again and again nothing is doubled', async () => {
    const names = async () => {
      const job = await fetch(`${hub.base}/$export?_type=Patient,Observation`, { headers: { Authorization: `Bearer ${hub.token}`, Prefer: 'respond-async', Accept: 'application/fhir+json' } });
      assert.equal(job.status, 202);
      const where = job.headers.get('content-location');
      for (let tries = 0; tries < 400; tries++) {
        const status = await fetch(where, { headers: { Authorization: `Bearer ${hub.token}` } });
        if (status.status === 200) {
          const manifest = await status.json();
          const lines = [];
          for (const file of manifest.output) {
            const text = await (await fetch(file.url, { headers: { Authorization: `Bearer ${hub.token}` } })).text();
            lines.push(...text.trim().split('\n').map((l) => JSON.parse(l)).map((r) => `${r.resourceType}/${r.id}`));
          }
          assert.equal((await fetch(manifest.output[0].url)).status, 401, 'files are for who may read them');
          return lines.sort();
        }
        assert.equal(status.status, 202);
        await new Promise((r) => setTimeout(r, 50));
      }
      throw new Error('the export did not end');
    };
    const once = await names();
    assert.equal(once.length, 5);
    assert.equal(new Set(once).size, once.length);
    assert.deepEqual(await names(), once);
  });

  await t.test('17:00 a mistaken child record goes: gone is not the same as never there', async () => {
    await client.delete({ resourceType: 'Patient', id: child.id });
    await refused(410, () => client.read({ resourceType: 'Patient', id: child.id }));
    await refused(404, () => client.read({ resourceType: 'Patient', id: 'never-there' }));
    assert.equal(await count('Patient', {}), 1);
  });
});
