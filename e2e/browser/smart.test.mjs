// A small SMART app, built on fhirclient, is started from the patient's page and by itself; it reads its patient and nobody else.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { binary, enter, open, password, serious, serve, settled, shoot } from './browser.mjs';

const library = await readFile(createRequire(import.meta.url).resolve('fhirclient/build/fhir-client.min.js'));
let hub, browser, site, origin, client;

const page = (script) => `<!doctype html><meta charset="utf-8"><title>生长曲线</title><pre id="out"></pre><script src="/fhir-client.js"></script><script>
const say = (o) => { document.getElementById('out').textContent = JSON.stringify(o); };
addEventListener('unhandledrejection', (e) => say({ failed: String(e.reason) }));
${script}</script>`;
const scope = 'openid fhirUser profile patient/Patient.rs patient/Observation.rs';
const pages = {
  '/launch': () => page(`FHIR.oauth2.authorize({ clientId: '${client}', scope: 'launch ${scope}', redirectUri: '/back' })`),
  '/standalone': () => page(`FHIR.oauth2.authorize({ iss: '${hub.url}/fhir', clientId: '${client}', scope: 'launch/patient offline_access ${scope}', redirectUri: '/back' })`),
  '/back': () => page(`(async () => {
    const c = await FHIR.oauth2.ready();
    window.app = c;
    const patient = await c.patient.read();
    const results = await c.patient.request('Observation?_count=20', { flat: true, pageLimit: 1 });
    say({ patient, results: results.length, others: results.filter((o) => o.subject?.reference !== 'Patient/' + c.patient.id).length, user: c.user.fhirUser, name: c.getIdToken()?.name, banner: c.getState('tokenResponse.need_patient_banner'), scope: c.getState('tokenResponse.scope') });
  })()`),
};

before(async () => {
  site = createServer((req, res) => {
    const path = new URL(req.url, 'http://app').pathname;
    if (path === '/fhir-client.js') res.writeHead(200, { 'Content-Type': 'text/javascript' }).end(library);
    else if (pages[path]) res.writeHead(200, { 'Content-Type': 'text/html' }).end(pages[path]());
    else res.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await once(site, 'listening');
  origin = `http://127.0.0.1:${site.address().port}`;
  hub = await serve({ patients: 200, referrals: 40 });
  client = execFileSync(binary, ['app', 'add', '--data', hub.data, '--name', '生长曲线', '--redirect', `${origin}/back`, '--launch', `${origin}/launch`,
    '--scope', `launch launch/patient offline_access ${scope}`], { encoding: 'utf8' }).trim();
  browser = await open();
}, { timeout: 240_000 });
after(async () => {
  await browser?.close();
  await hub?.stop();
  site?.close();
});

const said = async (tab) => {
  await tab.waitForFunction(() => document.getElementById('out')?.textContent.length > 2, undefined, { timeout: 30_000 });
  return JSON.parse(await tab.locator('#out').textContent());
};
// reach asks as the app for something of the hub and gives the status.
const reach = (tab, path) => tab.evaluate((path) => window.app.request(path).then(() => 200, (e) => e.status ?? e.statusCode ?? String(e)), path);
const ask = (tab, path) => tab.evaluate((path) => fetch(path, { headers: { Accept: 'application/fhir+json' } }).then((r) => r.json()), path);

test('started from the patient’s page', { timeout: 180_000 }, async () => {
  const context = await browser.person();
  const doctor = await enter(context, hub.url, 'xianyisheng');
  const seen = (await ask(doctor, '/fhir/Observation?_count=200')).entry.map((e) => e.resource.subject.reference);
  const [mine, other] = [...new Set(seen)];
  assert.ok(other, 'the doctor sees two patients with results');
  await doctor.goto(`${hub.url}/patients/${mine.slice(8)}`);
  await settled(doctor);
  await doctor.getByRole('button', { name: '应用' }).click();
  const [app] = await Promise.all([context.waitForEvent('page'), doctor.getByRole('menuitem', { name: '生长曲线' }).click()]);
  await app.getByRole('heading', { name: '“生长曲线”请求代表您使用本系统' }).waitFor({ timeout: 30_000 });
  await settled(app);
  await app.locator('.consent-patient strong').waitFor();
  assert.deepEqual(await serious(app), []);
  await shoot(app, 'consent-1366');
  await app.getByRole('button', { name: '允许' }).click();
  const first = await said(app);
  assert.equal(`Patient/${first.patient?.id}`, mine, JSON.stringify(first));
  assert.ok(first.results > 0 && first.others === 0, JSON.stringify(first));
  assert.match(first.user, /^Practitioner\//);
  assert.equal(first.banner, false);
  assert.equal(await reach(app, other), 404);
  assert.equal(await reach(app, `Observation?patient=${other}`).then(async (s) => s === 200 && (await app.evaluate((p) => window.app.request(`Observation?patient=${p}&_summary=count`).then((b) => b.total), other))), 0);
  assert.equal(await reach(app, 'Condition'), 403);
  assert.equal(await app.evaluate((hub) => fetch(`${hub}/api/me`, { credentials: 'include' }).then((r) => r.status, () => 'blocked'), hub.url), 'blocked');

  // a second time nothing is asked
  await doctor.getByRole('button', { name: '应用' }).click();
  const [again] = await Promise.all([context.waitForEvent('page'), doctor.getByRole('menuitem', { name: '生长曲线' }).click()]);
  assert.equal(`Patient/${(await said(again)).patient?.id}`, mine);

  // taken back, it is over
  await doctor.goto(`${hub.url}/me/apps`);
  await doctor.getByRole('row', { name: /生长曲线/ }).waitFor();
  await settled(doctor);
  await shoot(doctor, 'my-apps-1366');
  assert.deepEqual(await serious(doctor), []);
  await doctor.getByRole('button', { name: '收回' }).click();
  await doctor.getByRole('dialog').getByRole('button', { name: '收回' }).click();
  await doctor.getByText('您还没有授权任何应用').waitFor();
  assert.equal(await reach(again, mine), 401);
  assert.deepEqual(doctor.complaints, []);
  await context.close();
});

test('started by itself: log in, pick a patient', { timeout: 180_000 }, async () => {
  const context = await browser.person({ width: 390, height: 844 });
  const tab = await context.newPage();
  await tab.goto(`${origin}/standalone`);
  await tab.getByLabel('账号').fill('xianyisheng');
  await tab.getByLabel('密码', { exact: true }).fill(password);
  await tab.getByRole('button', { name: '登录', exact: true }).click();
  await tab.getByRole('heading', { name: '“生长曲线”请求代表您使用本系统' }).waitFor({ timeout: 30_000 });
  assert.ok(await tab.getByRole('button', { name: '请先选择患者' }).isDisabled());
  const found = (await ask(tab, '/fhir/Patient?_count=1')).entry[0].resource;
  await tab.getByRole('combobox').fill(found.name[0].text ?? `${found.name[0].family}${found.name[0].given?.[0] ?? ''}`);
  await tab.getByRole('option').first().click();
  await tab.getByRole('checkbox', { name: /检验、检查和体征/ }).uncheck();
  await shoot(tab, 'consent-390');
  assert.deepEqual(await serious(tab), []);
  await tab.getByRole('button', { name: '允许' }).click();
  await tab.waitForURL(`${origin}/back**`);
  await tab.waitForFunction(() => window.app || document.getElementById('out')?.textContent, undefined, { timeout: 30_000 });
  const patient = await tab.evaluate(() => window.app.patient.id);
  assert.ok(patient);
  assert.equal(await reach(tab, `Patient/${patient}`), 200);
  assert.equal(await reach(tab, 'Observation'), 403); // what was not ticked
  const before = await tab.evaluate(() => window.app.getState('tokenResponse.access_token'));
  await tab.evaluate(() => window.app.refresh());
  assert.notEqual(await tab.evaluate(() => window.app.getState('tokenResponse.access_token')), before);
  assert.equal(await reach(tab, `Patient/${patient}`), 200);
  await context.close();
});

test('an administrator registers an app', { timeout: 120_000 }, async () => {
  const admin = await enter(await browser.person({ width: 1920, height: 1080 }), hub.url, 'guanli');
  await admin.locator('nav.side').getByRole('link', { name: '应用' }).click();
  await admin.getByRole('button', { name: '登记应用' }).first().click();
  const form = admin.getByRole('form', { name: '登记应用' });
  await form.getByLabel(/名称/).fill('随访助手');
  await form.getByLabel('回调地址').fill('http://app.example/back');
  await form.getByRole('button', { name: '保存' }).click();
  await form.getByText(/地址须为 https/).waitFor();
  await form.getByLabel('回调地址').fill('https://app.example/back');
  await form.getByLabel('启动地址').fill('https://app.example/launch');
  await shoot(admin, 'apps-new-1920');
  await form.getByRole('button', { name: '保存' }).click();
  await admin.getByRole('dialog').getByRole('button', { name: '关闭' }).click();
  await admin.getByRole('row', { name: /随访助手/ }).waitFor();
  await settled(admin);
  assert.deepEqual(await serious(admin), []);
  await shoot(admin, 'apps-1920');
  assert.deepEqual(admin.complaints, []);
});
