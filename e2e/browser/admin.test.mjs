// An administrator makes an account; its person changes the one-time password. A doctor sends a photo in parts that resume.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { enter, open, serve, settled, shoot } from './browser.mjs';

let hub, browser;
before(async () => {
  hub = await serve({ patients: 120, referrals: 40 });
  browser = await open();
}, { timeout: 180_000 });
after(async () => {
  await browser?.close();
  await hub?.stop();
});

test('a new account must change its one-time password', { timeout: 120_000 }, async () => {
  const admin = await enter(await browser.person(), hub.url, 'guanli');
  const account = `xin${Date.now() % 1e6}`;
  await admin.goto(`${hub.url}/admin/users`);
  await admin.getByRole('button', { name: '新建用户' }).click();
  const form = admin.getByRole('dialog');
  await form.getByLabel('姓名').fill('新同事');
  await form.getByLabel('账号').fill(account);
  await form.getByRole('button', { name: '保存' }).click();
  const once = await admin.locator('.once code').innerText();
  await shoot(admin, 'admin-one-time-password');
  assert.ok(once.length >= 10);

  const page = await (await browser.person()).newPage();
  await page.goto(hub.url);
  await page.getByLabel('账号').fill(account);
  await page.getByLabel('密码', { exact: true }).fill(once);
  await page.getByRole('button', { name: '登录', exact: true }).click();
  await page.getByLabel('原密码').fill(once);
  await page.getByLabel('新密码', { exact: true }).fill('xing-lin-da-dao-9');
  await page.getByLabel('再输一次新密码').fill('xing-lin-da-dao-9');
  await page.getByRole('button', { name: '保存' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.getByRole('heading', { name: '我的工作' }).waitFor();
});

test('an organisation is made and found in the tree', { timeout: 120_000 }, async () => {
  const admin = await enter(await browser.person(), hub.url, 'guanli');
  await admin.goto(`${hub.url}/admin/orgs`);
  await settled(admin);
  await admin.locator('.ant-tree-title').first().click();
  await admin.getByRole('button', { name: '新建下级机构' }).click();
  const name = `康复医学科${Date.now() % 1e5}`;
  await admin.getByLabel('名称').last().fill(name);
  await admin.getByRole('button', { name: '保存' }).click();
  await admin.locator('.ant-tree-title').filter({ hasText: name }).waitFor();
});

test('a file goes up in parts and goes on after a cut line', { timeout: 120_000 }, async () => {
  const doctor = await enter(await browser.person(), hub.url, 'xianyisheng');
  const id = await doctor.evaluate(() => fetch('/fhir/Patient?_count=1').then((r) => r.json()).then((b) => b.entry[0].resource.id));
  let cut = 0;
  await doctor.route('**/api/uploads/*', (r) => (r.request().method() === 'PATCH' && cut++ === 1 ? r.abort('connectionreset') : r.continue()));
  await doctor.goto(`${hub.url}/lines/referral/new?patient=${id}`);
  await settled(doctor);
  await doctor.locator('input[type=file]').setInputFiles({ name: '心电图.pdf', mimeType: 'application/pdf', buffer: Buffer.alloc(3_300_000, '%PDF-1.4 made up ') });
  await doctor.getByRole('checkbox', { name: /心电图\.pdf/ }).waitFor({ timeout: 30_000 });
  assert.ok(cut >= 5, `four parts and one repeated; got ${cut}`);
  assert.deepEqual(doctor.complaints, []);
});
