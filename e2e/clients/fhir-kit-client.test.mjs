import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client } from 'fhir-kit-client';
import { startHub } from './hub.mjs';

let hub, client;
before(async () => {
  hub = await startHub();
  client = new Client({ baseUrl: hub.base, bearerToken: hub.token });
});
after(() => hub?.stop());

const refused = async (status, call) => {
  const error = await call().then(() => null, (e) => e);
  assert.ok(error, `want a refusal with ${status}`);
  assert.equal(error.response?.status ?? error.status, status);
};

test('a day of an integrator', async (t) => {
  await t.test('the capability statement is FHIR 4.0.1', async () => {
    const statement = await client.capabilityStatement();
    assert.equal(statement.fhirVersion, '4.0.1');
  });

  let patient;
  await t.test('create, read, update with a version, lost update', async () => {
    patient = await client.create({ resourceType: 'Patient', body: { resourceType: 'Patient', name: [{ family: '张', given: ['三'] }], gender: 'male' } });
    assert.ok(patient.id);
    const read = await client.read({ resourceType: 'Patient', id: patient.id });
    assert.equal(read.name[0].family, '张');
    const changed = await client.update({ resourceType: 'Patient', id: patient.id, body: { ...read, birthDate: '1960-05-01' }, options: { headers: { 'If-Match': 'W/"1"' } } });
    assert.equal(changed.meta.versionId, '2');
    await refused(412, () => client.update({ resourceType: 'Patient', id: patient.id, body: read, options: { headers: { 'If-Match': 'W/"1"' } } }));
    const first = await client.vread({ resourceType: 'Patient', id: patient.id, version: '1' });
    assert.equal(first.birthDate, undefined);
    const history = await client.history({ resourceType: 'Patient', id: patient.id });
    assert.equal(history.entry.length, 2);
  });

  await t.test('a transaction about the patient', async () => {
    const answer = await client.transaction({
      body: {
        resourceType: 'Bundle',
        type: 'transaction',
        entry: [
          { fullUrl: 'urn:uuid:0c3b2a10-0000-4000-8000-000000000001', resource: { resourceType: 'Encounter', status: 'finished', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' }, subject: { reference: `Patient/${patient.id}` } }, request: { method: 'POST', url: 'Encounter' } },
          ...Array.from({ length: 12 }, (_, i) => ({
            resource: { resourceType: 'Observation', status: 'final', code: { coding: [{ system: 'http://loinc.org', code: '8867-4' }] }, subject: { reference: `Patient/${patient.id}` }, encounter: { reference: 'urn:uuid:0c3b2a10-0000-4000-8000-000000000001' }, effectiveDateTime: `2026-01-${String(i + 1).padStart(2, '0')}`, valueQuantity: { value: 60 + i, unit: '/min' } },
            request: { method: 'POST', url: 'Observation' },
          })),
        ],
      },
    });
    assert.equal(answer.type, 'transaction-response');
    assert.ok(answer.entry.every((e) => e.response.status.startsWith('201')));
  });

  await t.test('search, page by page, newest first', async () => {
    let page = await client.search({ resourceType: 'Observation', searchParams: { patient: patient.id, code: 'http://loinc.org|8867-4', _sort: '-date', _count: '5', _total: 'accurate' } });
    assert.equal(page.total, 12);
    const days = [];
    while (page) {
      days.push(...page.entry.map((e) => e.resource.effectiveDateTime));
      page = page.link.some((l) => l.relation === 'next') ? await client.nextPage({ bundle: page }) : null;
    }
    assert.equal(days.length, 12);
    assert.deepEqual(days, [...days].sort().reverse());
  });

  await t.test('chain, include, POST _search, system search', async () => {
    const chained = await client.search({ resourceType: 'Observation', searchParams: { 'subject:Patient.name': '张', date: 'ge2026-01-11', _include: 'Observation:encounter' } });
    assert.deepEqual(chained.entry.map((e) => `${e.search.mode} ${e.resource.resourceType}`).sort(), ['include Encounter', 'match Observation', 'match Observation']);
    const posted = await client.search({ resourceType: 'Patient', searchParams: { gender: 'male' }, options: { postSearch: true } });
    assert.equal(posted.entry.length, 1);
    const both = await client.search({ searchParams: { _type: 'Patient,Encounter' } });
    assert.equal(both.entry.length, 2);
  });

  await t.test('resolve a reference, batch, refusals, delete', async () => {
    const resolved = await client.resolve({ reference: `Patient/${patient.id}` });
    assert.equal(resolved.id, patient.id);
    const batch = await client.batch({ body: { resourceType: 'Bundle', type: 'batch', entry: [{ request: { method: 'GET', url: `Patient/${patient.id}` } }, { request: { method: 'GET', url: 'Patient/none' } }] } });
    assert.deepEqual(batch.entry.map((e) => e.response.status.slice(0, 3)), ['200', '404']);
    await refused(422, () => client.create({ resourceType: 'Patient', body: { resourceType: 'Patient', gender: 'manly' } }));
    await refused(404, () => client.read({ resourceType: 'Patient', id: 'none' }));
    const lone = await client.create({ resourceType: 'Patient', body: { resourceType: 'Patient' } });
    await client.delete({ resourceType: 'Patient', id: lone.id });
    await refused(410, () => client.read({ resourceType: 'Patient', id: lone.id }));
  });
});
