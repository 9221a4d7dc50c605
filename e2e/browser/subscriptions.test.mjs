// A hospital's system stops answering; the operator sees it, sends again what was not delivered, stops and starts it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { enter, open, serious, serve, settled, shoot } from './browser.mjs';

let hub, browser, his, got = [], broken = false;
before(async () => {
  his = createServer((req, res) => {
    let body = '';
    req.on('data', (d) => (body += d));
    req.on('end', () => {
      if (!broken) got.push(body);
      res.writeHead(broken ? 502 : 200).end();
    });
  }).listen(0, '127.0.0.1');
  await once(his, 'listening');
  process.env.XINGLIN_HOOKS = '127.0.0.1';
  hub = await serve({ patients: 120, referrals: 40 });
  browser = await open();
}, { timeout: 180_000 });
after(async () => {
  await browser?.close();
  await hub?.stop();
  his?.close();
});

const endpoint = () => `http://127.0.0.1:${his.address().port}/hook`;
const ask = (page, method, path, body) => page.evaluate(async ([method, path, body]) => {
  const me = await fetch('/api/me').then((r) => r.json());
  const r = await fetch(path, { method, headers: { 'Content-Type': 'application/fhir+json', 'X-CSRF-Token': me.csrf }, body: body && JSON.stringify(body) });
  return { status: r.status, body: await r.json().catch(() => null) };
}, [method, path, body]);

const wish = (id, criteria, channel) => ({ resourceType: 'Subscription', id, status: 'requested', reason: 'HIS 对接', criteria, channel });
const until = async (what, test) => {
  for (let n = 0; n < 150; n++) {
    if (await test()) return;
    await new Promise((r) => setTimeout(r, 100));
  }
  assert.fail(`never: ${what}`);
};

test('the operator sees who is told of what and mends what fails', { timeout: 120_000 }, async () => {
  const desk = await enter(await browser.person(), hub.url, 'zhuanzhenban');
  const task = 'https://xinglin.health/fhir/SubscriptionTopic/task-changed';
  const rest = (path) => ({ type: 'rest-hook', endpoint: endpoint() + path, payload: 'application/fhir+json' });
  for (const s of [
    wish('his', 'Encounter?status=in-progress,finished', rest('/his')), wish('referrals', task, rest('/referrals')),
    wish('reports', 'https://xinglin.health/fhir/SubscriptionTopic/report-final', rest('/reports')), wish('desk', 'Task?', { type: 'websocket' }),
  ]) assert.equal((await ask(desk, 'PUT', `/fhir/Subscription/${s.id}`, s)).status, 201);
  await until('handshakes', () => got.length >= 2);
  const patient = await ask(desk, 'GET', '/fhir/Patient?_count=1').then((r) => r.body.entry[0].resource.id);
  const encounter = (id) => ask(desk, 'PUT', `/fhir/Encounter/${id}`, {
    resourceType: 'Encounter', id, status: 'in-progress', class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'IMP' }, subject: { reference: `Patient/${patient}` },
  });
  assert.equal((await encounter('sub-1')).status, 201);
  await until('the first admission', () => got.some((b) => b.includes('sub-1')));
  broken = true;
  await encounter('sub-2');

  const admin = await enter(await browser.person(), hub.url, 'guanli');
  await admin.locator('nav.side').getByRole('link', { name: '订阅' }).click();
  await settled(admin);
  const row = admin.getByRole('row', { name: /Encounter/ });
  await row.getByRole('button').click();
  const detail = admin.getByRole('complementary', { name: '订阅详情' });
  await detail.getByText('对方返回 502').first().waitFor({ timeout: 15_000 });
  assert.ok(!(await admin.locator('main').innerText()).includes(patient), 'no patient stands on the page');
  await detail.getByRole('button', { name: '停用' }).click();
  await admin.getByRole('dialog').getByLabel(/原因/).fill('对方接口故障，维护中');
  await shoot(admin, 'subscriptions-stop');
  await admin.getByRole('dialog').getByRole('button', { name: '停用' }).click();
  await detail.getByText('对方接口故障，维护中').first().waitFor();
  broken = false;
  await detail.getByRole('button', { name: '重新启用' }).click();
  await detail.locator('.mark').filter({ hasText: '正常' }).waitFor({ timeout: 20_000 });
  await shoot(admin, 'subscriptions-1366');
  await detail.getByRole('button', { name: '重新送达 1 条' }).click();
  await until('the second admission', () => got.some((b) => b.includes('sub-2')));
  await detail.getByRole('row', { name: /2 Encounter .*已送达/ }).waitFor({ timeout: 20_000 });
  await admin.mouse.move(600, 740); // off the button, whose colour under the pointer is passing
  await admin.locator('.subs-title').click();
  assert.deepEqual(await serious(admin), []);

  const wide = await enter(await browser.person({ width: 1920, height: 1080 }), hub.url, 'guanli');
  await wide.goto(`${hub.url}/admin/subscriptions`);
  await settled(wide);
  await wide.getByRole('row', { name: /Encounter/ }).waitFor();
  await shoot(wide, 'subscriptions-list-1920');
  await wide.goto(`${hub.url}/admin/subscriptions?at=his`);
  await wide.getByRole('complementary', { name: '订阅详情' }).getByText('最近的事件').waitFor();
  await shoot(wide, 'subscriptions-1920');
  assert.deepEqual([...admin.complaints, ...wide.complaints], []);
});

test('a doctor does not find the page', { timeout: 60_000 }, async () => {
  const doctor = await enter(await browser.person(), hub.url, 'xianyisheng');
  assert.equal(await doctor.getByRole('link', { name: '订阅' }).count(), 0);
  assert.equal((await ask(doctor, 'GET', '/api/admin/subscriptions')).status, 403);
});
