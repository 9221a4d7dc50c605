// Backend Services as another system would do it: a signed JWT of node's own crypto, a token, a bulk export.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startHub } from './hub.mjs';

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
const jwks = join(tmpdir(), `xinglin-jwks-${randomUUID()}.json`);
let hub, id, config;
before(async () => {
  hub = await startHub();
  writeFileSync(jwks, JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'ES384' }] }));
  id = execFileSync(hub.program, ['app', 'add', '--data', hub.data, '--name', '数据平台', '--kind', 'key', '--jwks', jwks, '--scope', 'system/Patient.rs'], { encoding: 'utf8' }).trim();
  config = await fetch(`${hub.base}/.well-known/smart-configuration`).then((r) => r.json());
  for (const family of ['李', '王'])
    await fetch(`${hub.base}/Patient`, { method: 'POST', headers: { Authorization: `Bearer ${hub.token}`, 'Content-Type': 'application/fhir+json' }, body: JSON.stringify({ resourceType: 'Patient', name: [{ family }] }) });
});
after(async () => {
  await hub?.stop();
  rmSync(jwks, { force: true });
});

const part = (o) => Buffer.from(JSON.stringify(o)).toString('base64url');
function assertion(change = {}) {
  const body = `${part({ alg: 'ES384', typ: 'JWT', kid: 'one' })}.${part({ iss: id, sub: id, aud: config.token_endpoint, exp: Math.floor(Date.now() / 1000) + 240, jti: randomUUID(), ...change })}`;
  return `${body}.${createSign('SHA384').update(body).sign({ key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}
const ask = (jwt, scope = 'system/Patient.rs') => fetch(config.token_endpoint, {
  method: 'POST', body: new URLSearchParams({ grant_type: 'client_credentials', scope, client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer', client_assertion: jwt }),
}).then(async (r) => ({ status: r.status, ...(await r.json()) }));

test('a signed JWT gives a token, and the token an export', async () => {
  assert.ok(config.token_endpoint_auth_signing_alg_values_supported.includes('ES384'));
  const jwt = assertion();
  const got = await ask(jwt);
  assert.equal(got.status, 200, JSON.stringify(got));
  assert.ok(got.expires_in <= 300);
  assert.equal((await ask(jwt)).error, 'invalid_client', 'the same assertion a second time');
  assert.equal((await ask(assertion({ exp: Math.floor(Date.now() / 1000) - 1 }))).error, 'invalid_client');
  assert.equal((await ask(assertion(), 'system/*.rs')).error, 'invalid_scope');
  const headers = { Authorization: `Bearer ${got.access_token}` };
  const started = await fetch(`${hub.base}/$export`, { headers: { ...headers, Prefer: 'respond-async', Accept: 'application/fhir+json' } });
  assert.equal(started.status, 202);
  let state;
  for (let n = 0; n < 300; n++) {
    state = await fetch(started.headers.get('Content-Location'), { headers });
    if (state.status !== 202) break;
    await new Promise((r) => setTimeout(r, 100));
  }
  const { output } = await state.json();
  assert.deepEqual(output.map((o) => [o.type, o.count]), [['Patient', 2]]);
  const lines = (await fetch(output[0].url, { headers }).then((r) => r.text())).trim().split('\n').map((l) => JSON.parse(l));
  assert.deepEqual(lines.map((p) => p.name[0].family).sort(), ['李', '王'].sort());
  assert.equal((await fetch(`${hub.base}/Observation`, { headers })).status, 403);
  execFileSync(hub.program, ['app', 'disable', id, '--data', hub.data]);
  for (let n = 0; (await fetch(`${hub.base}/Patient`, { headers })).status !== 401; n++) { // another process has disabled it
    assert.ok(n < 100, 'a disabled app still reads after ten seconds');
    await new Promise((r) => setTimeout(r, 100));
  }
  assert.equal((await ask(assertion())).error, 'invalid_client');
});
