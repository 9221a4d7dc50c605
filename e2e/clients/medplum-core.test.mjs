import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MedplumClient } from '@medplum/core';
import { startHub } from './hub.mjs';

let hub, medplum;
before(async () => {
  hub = await startHub();
  medplum = new MedplumClient({ baseUrl: `${hub.origin}/`, fhirUrlPath: 'fhir', fetch, cacheTime: 0 });
  medplum.setAccessToken(hub.token);
});
after(() => hub?.stop());

test('MedplumClient creates, finds, updates and deletes', async () => {
  const organization = await medplum.createResource({ resourceType: 'Organization', name: '县医院' });
  const condition = 'identifier=urn:example|99-1';
  const body = { resourceType: 'Patient', identifier: [{ system: 'urn:example', value: '99-1' }], name: [{ family: '李' }], managingOrganization: { reference: `Organization/${organization.id}` } };
  const patient = await medplum.createResourceIfNoneExist(body, condition);
  const same = await medplum.createResourceIfNoneExist(body, condition);
  assert.equal(same.id, patient.id);

  const updated = await medplum.updateResource({ ...patient, gender: 'female' });
  assert.equal(updated.gender, 'female');
  assert.equal(updated.meta.versionId, '2');

  const found = await medplum.searchResources('Patient', 'organization=Organization/' + organization.id);
  assert.deepEqual(found.map((p) => p.id), [patient.id]);
  assert.equal((await medplum.searchOne('Patient', { gender: 'female' })).id, patient.id);
  const history = await medplum.readHistory('Patient', patient.id);
  assert.equal(history.entry.length, 2);

  await medplum.deleteResource('Patient', patient.id);
  await assert.rejects(medplum.readResource('Patient', patient.id));
});
