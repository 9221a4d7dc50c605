// A public client finds, holds, books and releases beds, as another hospital's program would; a stranger gets nothing.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { Client } from 'fhir-kit-client';
import { startHub } from './hub.mjs';

let hub, all, centre, other, patient;
const provider = { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/organization-type', code: 'prov' }] };
const place = (id, code, more) => ({ resourceType: 'Location', id, status: 'active', name: id, physicalType: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/location-physical-type', code }] }, managingOrganization: { reference: 'Organization/centre' }, ...more });

before(async () => {
  hub = await startHub();
  all = new Client({ baseUrl: hub.base, bearerToken: hub.token });
  for (const id of ['centre', 'other']) await all.update({ resourceType: 'Organization', id, body: { resourceType: 'Organization', id, active: true, name: id, type: [provider] } });
  const of = (org) => new Client({ baseUrl: hub.base, bearerToken: execFileSync(hub.program, ['token', '--data', hub.data, '--client', org, '--org', `Organization/${org}`, '--scope', 'system/*.cruds'], { encoding: 'utf8' }).trim() });
  [centre, other] = [of('centre'), of('other')];
  const put = (body) => centre.update({ resourceType: body.resourceType, id: body.id, body });
  await put(place('ward', 'wa', { extension: [{ url: 'https://xinglin.health/fhir/StructureDefinition/ward-specialty', valueCode: 'A03' }] }));
  await put(place('bed-1', 'bd', { partOf: { reference: 'Location/ward' } }));
  await put(place('bed-2', 'bd', { partOf: { reference: 'Location/ward' } }));
  patient = await centre.create({ resourceType: 'Patient', body: { resourceType: 'Patient', name: [{ text: '沈某' }], gender: 'female', birthDate: '1970-01-01' } });
});
after(() => hub?.stop());

const ask = (client, name, parameter, headers) => client.operation({ name: `$${name}`, resourceType: 'Appointment', input: { resourceType: 'Parameters', parameter }, ...(headers && { options: { headers } }) });
const find = (client) => ask(client, 'find', [{ name: 'start', valueDateTime: new Date().toISOString() }, { name: 'specialty', valueString: 'A03' }, { name: 'organization', valueReference: { reference: 'Organization/centre' } }]);
const about = (appointment) => [
  { name: 'appointment-reference', valueReference: { reference: `Appointment/${appointment.id}` } },
  { name: 'patient-reference', valueReference: { reference: `Patient/${patient.id}` } },
  { name: 'specialty', valueString: 'A03' },
];
const refused = async (status, call) => {
  const error = await call().then(() => null, (e) => e);
  assert.equal(error?.response?.status, status);
  return error.response.data;
};

test('find, hold, book, release', async (t) => {
  const first = (bundle) => bundle.entry[0].resource;
  let held;
  await t.test('what is free is proposed, and held once', async () => {
    const free = await find(centre);
    assert.equal(free.type, 'searchset');
    assert.deepEqual(free.entry.map((e) => [e.resource.status, e.resource.participant[0].actor.reference]).sort(), [['proposed', 'Location/bed-1'], ['proposed', 'Location/bed-2']]);
    held = first(await ask(centre, 'hold', about(first(free)), { 'Idempotency-Key': 'a' }));
    assert.equal(held.status, 'pending');
    assert.equal(first(await ask(centre, 'hold', about(first(free)), { 'Idempotency-Key': 'a' })).id, held.id);
    const outcome = await refused(409, () => ask(centre, 'hold', about(first(free))));
    assert.equal(outcome.issue[0].details.coding[0].code, 'taken');
    assert.equal((await find(centre)).entry.length, 1);
  });
  await t.test('many at once want the last bed; one has it', async () => {
    const last = first(await find(centre));
    const answers = await Promise.allSettled(Array.from({ length: 16 }, () => ask(centre, 'book', about(last))));
    const won = answers.filter((a) => a.status === 'fulfilled');
    assert.equal(won.length, 1);
    assert.ok(answers.every((a) => a.status === 'fulfilled' || a.reason.response.status === 409));
    assert.equal((await find(centre)).total, 0);
    await ask(centre, 'release', about(first(won[0].value)));
    assert.equal((await find(centre)).total, 1);
  });
  await t.test('booked, seen by search, not written by hand, given back', async () => {
    const booked = first(await ask(centre, 'book', about(held)));
    assert.equal(booked.status, 'booked');
    const seen = await centre.search({ resourceType: 'Appointment', searchParams: { patient: patient.id, status: 'booked' } });
    assert.deepEqual(seen.entry.map((e) => e.resource.id), [held.id]);
    await refused(422, () => centre.update({ resourceType: 'Appointment', id: held.id, body: { ...booked, status: 'cancelled' } }));
    assert.equal(first(await ask(centre, 'release', [...about(held), { name: 'reason', valueString: '改期' }])).status, 'cancelled');
    assert.equal((await find(centre)).total, 2);
  });
  await t.test('a stranger finds, holds and releases nothing', async () => {
    const own = first(await ask(centre, 'hold', about(first(await find(centre)))));
    await refused(403, () => find(other));
    await refused(404, () => ask(other, 'release', about(own)));
    await refused(404, () => other.read({ resourceType: 'Appointment', id: own.id }));
  });
});
