// Second factors in a real browser: an authenticator by its code, a passkey by Chromium's virtual authenticator, the list of
// logins, and a real hub (no demo) whose administrator must enrol before anything else.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { binary, enter, open, password, serve, serious, settled, shoot } from './browser.mjs';

let hub, browser;
before(async () => {
  hub = await serve({ patients: 60, referrals: 20 });
  browser = await open();
}, { timeout: 180_000 });
after(async () => {
  await browser?.close();
  await hub?.stop();
});

// totp is RFC 6238 for a base32 secret.
function totp(secret, at = Date.now()) {
  const bits = [...secret.replace(/\s/g, '')].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const mac = createHmac('sha1', key).update(step).digest();
  const from = mac[19] & 15;
  return String((mac.readUInt32BE(from) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

// The hub by its name: passkeys want one, not an address.
const named = (url) => url.replace('127.0.0.1', 'localhost');

async function leave(page) {
  await page.getByRole('button', { name: /我的账号/ }).click();
  await page.getByRole('menuitem', { name: '退出登录' }).click();
  await page.getByLabel('账号', { exact: true }).waitFor();
}

async function first(page, username, secretWord = password) {
  await page.getByLabel('账号', { exact: true }).fill(username);
  await page.getByLabel('密码', { exact: true }).fill(secretWord);
  await page.getByRole('button', { name: '登录', exact: true }).click();
}

async function looks(page, name) {
  await settled(page);
  for (const [w, h] of [[1366, 768], [1920, 1080], [390, 844]]) {
    await page.setViewportSize({ width: w, height: h });
    await shoot(page, `${name}-${w}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(wide <= 0, `${name} at ${w}: ${wide} px too wide`);
  }
  await page.setViewportSize({ width: 1366, height: 768 });
  assert.deepEqual(await serious(page), [], name);
}

test('a passkey is made, is the second step, and logs in alone', { timeout: 180_000 }, async () => {
  const context = await browser.person();
  const page = await enter(context, named(hub.url), 'xianyisheng');
  const cdp = await context.newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
  await page.goto(`${named(hub.url)}/me`);
  await page.getByRole('button', { name: '添加通行密钥' }).click();
  const codes = page.getByRole('dialog', { name: '恢复码' });
  await codes.waitFor();
  assert.equal(await codes.getByRole('listitem').count(), 10);
  await codes.getByRole('button', { name: '我已保存' }).click();
  await page.getByRole('cell', { name: '通行密钥' }).first().waitFor();
  await looks(page, 'login-account');

  await leave(page);
  await first(page, 'xianyisheng');
  await page.getByRole('heading', { name: '第二重验证' }).waitFor();
  await looks(page, 'login-second');
  await page.getByRole('button', { name: '使用通行密钥验证' }).click();
  await page.locator('nav.side').waitFor({ state: 'attached' });

  await leave(page);
  await looks(page, 'login-first');
  await page.getByRole('button', { name: '使用通行密钥登录' }).click();
  await page.locator('nav.side').waitFor({ state: 'attached' });
  await page.goto(`${named(hub.url)}/me`);
  await page.getByRole('row', { name: /当前.*通行密钥/ }).waitFor();

  await leave(page);
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false });
  await page.getByRole('button', { name: '使用通行密钥登录' }).click();
  await page.waitForTimeout(500);
  assert.equal(await page.locator('nav.side').count(), 0, 'a person whom the authenticator has not verified is not let in');
  assert.deepEqual(page.complaints, []);
});

test('an authenticator is scanned, confirmed and asked for; a recovery code helps once', { timeout: 180_000 }, async () => {
  const page = await enter(await browser.person(), hub.url, 'yiwuchu');
  await page.goto(`${hub.url}/me`);
  await page.getByRole('button', { name: '添加手机验证器' }).click();
  await page.getByRole('img', { name: /二维码/ }).waitFor();
  await shoot(page, 'login-enrol');
  const secret = await page.locator('code.secret').innerText();
  await page.getByLabel('6 位验证码').fill(totp(secret));
  await page.getByRole('button', { name: '确认' }).click();
  const codes = page.getByRole('dialog', { name: '恢复码' });
  const recovery = await codes.getByRole('listitem').first().innerText();
  await shoot(page, 'login-recovery');
  await codes.getByRole('button', { name: '我已保存' }).click();

  for (const [code, how] of [['000000', null], [recovery, 'in'], [recovery, null], [() => totp(secret, Date.now() + 30_000), 'in']]) {
    if (await page.locator('nav.side').count()) await leave(page);
    await page.goto(hub.url);
    await page.waitForLoadState('networkidle'); // a second step that is still open takes the place of the form
    await page.getByLabel('账号', { exact: true }).or(page.getByLabel('验证码')).waitFor();
    if (await page.getByLabel('账号', { exact: true }).count()) await first(page, 'yiwuchu');
    await page.getByLabel('验证码').fill(typeof code === 'function' ? code() : code);
    await page.getByRole('button', { name: '验证并登录' }).click();
    if (how) await page.locator('nav.side').waitFor({ state: 'attached' });
    else await page.getByText('验证码不正确、已过期或已用过').waitFor();
  }
});

test('the users page shows posts, factors and logins', { timeout: 120_000 }, async () => {
  const admin = await enter(await browser.person(), hub.url, 'guanli');
  await admin.goto(`${hub.url}/admin/users`);
  await admin.getByText('人员登记').first().waitFor();
  await looks(admin, 'login-users');
  await admin.getByRole('row', { name: /yiwuchu/ }).getByRole('button', { name: '登录记录' }).click();
  await admin.getByRole('dialog').getByRole('table', { name: '登录记录' }).waitFor();
  await shoot(admin, 'login-users-logins');
});

test('on a real hub the first administrator changes the password, then enrols, then works', { timeout: 180_000 }, async () => {
  const data = await mkdtemp(join(tmpdir(), 'xinglin-login-'));
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  spawnSync(binary, ['migrate', '--data', data]);
  const said = spawnSync(binary, ['user', 'add', 'boss', '--data', data, '--name', '首位管理员', '--role', 'administrator', '--json'], { encoding: 'utf8' });
  assert.equal(said.status, 0, said.stderr);
  const child = spawn(binary, ['serve', '--data', data, '--listen', `127.0.0.1:${port}`], { stdio: 'ignore' });
  const over = once(child, 'exit');
  try {
    const url = `http://127.0.0.1:${port}`;
    for (let n = 0; n < 300 && !(await fetch(`${url}/readyz`).then((r) => r.ok, () => false)); n++) await new Promise((r) => setTimeout(r, 100));
    const page = await (await browser.person()).newPage();
    await page.goto(url);
    const once = JSON.parse(said.stdout).password;
    await first(page, 'boss', once);
    await page.getByLabel('原密码').fill(once);
    await page.getByLabel('新密码', { exact: true }).fill('xing-lin-da-dao-9');
    await page.getByLabel('再输一次新密码').fill('xing-lin-da-dao-9');
    await page.getByRole('button', { name: '保存' }).click();
    await page.getByRole('heading', { name: '请先添加第二重验证' }).waitFor();
    assert.equal(await page.evaluate(() => fetch('/api/admin/users').then((r) => r.status)), 403);
    await looks(page, 'login-must-enrol');
    await page.getByRole('button', { name: '添加手机验证器' }).click();
    await page.getByLabel('6 位验证码').fill(totp(await page.locator('code.secret').innerText()));
    await page.getByRole('button', { name: '确认' }).click();
    await page.getByRole('button', { name: '我已保存' }).click();
    await page.locator('nav.side').waitFor({ state: 'attached' });
    await page.locator('nav.side').getByRole('link', { name: '用户' }).click();
    await page.getByRole('row', { name: /首位管理员/ }).waitFor();
  } finally {
    child.kill('SIGTERM');
    await over;
    await rm(data, { recursive: true, force: true });
  }
});
