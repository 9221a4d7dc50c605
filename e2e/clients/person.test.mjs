// Two hospitals' programs and one that sees both: $match, Person, $everything, $merge, PIXm and PDQm by public clients.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { Client } from 'fhir-kit-client';
import { MedplumClient } from '@medplum/core';
import { startHub } from './hub.mjs';

const residentID = 'https://xinglin.health/fhir/sid/resident-id', number = '990313196105236840';
let hub, county, town, medplum;
before(async () => {
  hub = await startHub();
  const all = new Client({ baseUrl: hub.base, bearerToken: hub.token });
  for (const [id, name] of [['county', '某县人民医院'], ['town', '某镇卫生院']]) {
    await all.update({ resourceType: 'Organization', id, body: { resourceType: 'Organization', id, active: true, name, type: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/organization-type', code: 'prov' }] }] } });
  }
  const of = (org) => new Client({ baseUrl: hub.base, bearerToken: execFileSync(hub.program, ['token', '--data', hub.data, '--client', org, '--org', `Organization/${org}`, '--scope', 'system/*.cruds'], { encoding: 'utf8' }).trim() });
  [county, town] = [of('county'), of('town')];
  medplum = new MedplumClient({ baseUrl: `${hub.origin}/`, fhirUrlPath: 'fhir', fetch, cacheTime: 0 });
  medplum.setAccessToken(hub.token);
});
after(() => hub?.stop());

const meng = (mrn, text, phone) => ({
  resourceType: 'Patient', active: true, name: [{ text }], gender: 'female', birthDate: '1961-05-23', telecom: [{ system: 'phone', value: phone }], address: [{ text: '和平里193号2314室' }],
  identifier: [{ system: residentID, value: number }, { system: 'urn:example:mrn', value: mrn }],
});
const fever = (id) => ({ resourceType: 'Condition', code: { text: '发热' }, subject: { reference: `Patient/${id}` } });
// the index follows within milliseconds of a write
const until = async (what, ask) => {
  for (let tries = 0; tries < 200; tries++) {
    if (await ask()) return;
    await new Promise((r) => setTimeout(r, 25));
  }
  assert.fail(`not within 5 s: ${what}`);
};

test('one woman at two hospitals', async (t) => {
  let one, other;
  await t.test('PIXm feed: each hospital writes her by its own number', async () => {
    const feed = (client, mrn, body) => client.request(`Patient?identifier=urn:example:mrn|${mrn}`, { method: 'PUT', body, options: { headers: { 'Content-Type': 'application/fhir+json' } } });
    one = await feed(county, 'C-1', meng('C-1', '孟小茹', '15124298289'));
    other = await feed(town, 'T-1', meng('T-1', '孟晓茹', '15124298280'));
    const again = await feed(county, 'C-1', meng('C-1', '孟小茹', '15124298289'));
    assert.equal(again.id, one.id);
    await county.create({ resourceType: 'Condition', body: fever(one.id) });
    await town.create({ resourceType: 'Condition', body: fever(other.id) });
    await until('linked', async () => (await medplum.search('Person', `link=Patient/${one.id}`)).total === 1);
  });

  await t.test('$match grades what each may see', async () => {
    const input = { resourceType: 'Parameters', parameter: [{ name: 'resource', resource: meng('X', '孟小茹', '15124298289') }, { name: 'count', valueInteger: 5 }] };
    const both = await medplum.post(medplum.fhirUrl('Patient', '$match'), input);
    assert.deepEqual(both.entry.map((e) => e.resource.id).sort(), [one.id, other.id].sort());
    assert.ok(both.entry.every((e) => e.search.score > 0.9 && e.search.extension[0].url === 'http://hl7.org/fhir/StructureDefinition/match-grade' && e.search.extension[0].valueCode === 'certain'));
    const own = await county.operation({ resourceType: 'Patient', name: 'match', input });
    assert.deepEqual(own.entry.map((e) => e.resource.id), [one.id]);
  });

  await t.test('Person and Patient.link for who sees both; none for who sees one', async () => {
    const [person] = await medplum.searchResources('Person', `link=Patient/${one.id}`);
    assert.deepEqual(person.link.map((l) => l.target.reference).sort(), [`Patient/${one.id}`, `Patient/${other.id}`].sort());
    assert.equal((await medplum.readResource('Person', person.id)).birthDate, '1961-05-23');
    assert.equal((await medplum.readResource('Patient', one.id)).link[0].type, 'seealso');
    assert.equal((await county.read({ resourceType: 'Patient', id: one.id })).link, undefined);
    assert.equal((await county.search({ resourceType: 'Person', searchParams: { link: `Patient/${one.id}` } })).total, 0);
    const error = await county.read({ resourceType: 'Person', id: person.id }).then(() => null, (e) => e);
    assert.equal(error.response.status, 404);
  });

  await t.test('$everything and searches by person', async () => {
    const ids = (bundle, type) => (bundle.entry ?? []).filter((e) => e.resource.resourceType === type).length;
    assert.equal(ids(await medplum.readPatientEverything(one.id), 'Condition'), 2);
    assert.equal(ids(await county.operation({ resourceType: 'Patient', id: one.id, name: 'everything', method: 'GET' }), 'Condition'), 1);
    assert.equal((await medplum.search('Condition', `patient:person=Patient/${one.id}&_summary=count`)).total, 2);
    assert.equal((await county.search({ resourceType: 'Condition', searchParams: { 'patient:person': `Patient/${one.id}`, _summary: 'count' } })).total, 1);
  });

  await t.test('PIXm query, PDQm', async () => {
    const pix = await medplum.get(medplum.fhirUrl('Patient', '$ihe-pix') + `?sourceIdentifier=${encodeURIComponent('urn:example:mrn|C-1')}`);
    assert.ok(pix.parameter.some((p) => p.name === 'targetIdentifier' && p.valueIdentifier.value === 'T-1'));
    assert.ok(pix.parameter.some((p) => p.name === 'targetId' && p.valueReference.reference === `Patient/${other.id}`));
    const pdq = await town.search({ resourceType: 'Patient', searchParams: { identifier: `${residentID}|${number}`, gender: 'female', birthdate: '1961-05-23' } });
    assert.deepEqual(pdq.entry.map((e) => e.resource.id), [other.id]);
  });

  await t.test('a hospital merges two of its records, and takes it back', async () => {
    const twice = await county.create({ resourceType: 'Patient', body: { resourceType: 'Patient', active: true, name: [{ text: '孟' }], gender: 'female' } });
    const input = { resourceType: 'Parameters', parameter: [{ name: 'source-patient', valueReference: { reference: `Patient/${twice.id}` } }, { name: 'target-patient', valueReference: { reference: `Patient/${one.id}` } }] };
    const done = await county.operation({ resourceType: 'Patient', name: 'merge', input });
    assert.equal(done.parameter.find((p) => p.name === 'task').resource.status, 'completed');
    const source = await county.read({ resourceType: 'Patient', id: twice.id });
    assert.equal(source.active, false);
    assert.ok(source.link.some((l) => l.type === 'replaced-by' && l.other.reference === `Patient/${one.id}`));
    const foreign = await town.operation({ resourceType: 'Patient', name: 'merge', input }).then(() => null, (e) => e);
    assert.equal(foreign.response.status, 422);
    await county.operation({ resourceType: 'Patient', name: 'unmerge', input });
    assert.equal((await county.read({ resourceType: 'Patient', id: twice.id })).active, true);
  });
});
