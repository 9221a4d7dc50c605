// What every browser test needs: the real server on made-up data, Debian's Chromium, axe.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { chromium } from 'playwright-core';

export const root = resolve(import.meta.dirname, '../..');
export const shots = process.env.XINGLIN_SHOTS ?? join(root, 'test-results/pages');
const chrome = process.env.CHROMIUM ?? '/usr/bin/chromium';
const flags = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--lang=zh-CN',
];
export const password = process.env.XINGLIN_DEMO_PASSWORD ?? 'Xinglin-demo-1';

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  return port;
}

export const binary = process.env.XINGLIN_BIN ?? join(root, 'bin/xinglin');

// serve starts the real binary on a temporary folder, with `turns` under a clock that the test sets ahead; XINGLIN_SERVER names one that already runs.
export async function serve({ patients = 300, referrals = 120, turns = false } = {}) {
  if (process.env.XINGLIN_SERVER) return { url: process.env.XINGLIN_SERVER, stop: async () => {} };
  const data = await mkdtemp(join(tmpdir(), 'xinglin-browser-'));
  const url = `http://127.0.0.1:${await freePort()}`;
  const clock = `${data}.clock`; // beside the folder, which is to be empty
  let said = '';
  const child = spawn(binary,
    ['demo', '--data', data, '--listen', url.slice(7), '--patients', String(patients), '--referrals', String(referrals), ...(turns ? ['--test-clock', clock] : [])], { stdio: ['ignore', 'pipe', 'pipe'] });
  const over = once(child, 'exit');
  for (const out of [child.stdout, child.stderr]) out.on('data', (d) => (said = (said + d).slice(-8000)));
  for (let n = 0; ; n++) {
    if (child.exitCode !== null) throw new Error(`the server ended:\n${said}`);
    if (await fetch(`${url}/readyz`).then((r) => r.ok, () => false)) break;
    if (n > 600) {
      child.kill();
      throw new Error(`the server was not ready in two minutes:\n${said}`);
    }
    await new Promise((r) => setTimeout(r, 200));
  }
  return {
    url, data,
    turn: (ahead) => writeFile(clock, ahead), // "1h5m", from the machine's time
    stop: async () => {
      child.kill('SIGTERM');
      await over;
      await rm(data, { recursive: true, force: true });
      await rm(clock, { force: true });
    },
  };
}

// open launches Chromium with a folder of its own.
export async function open() {
  const folder = await mkdtemp(join(tmpdir(), 'xinglin-chromium-'));
  const browser = await chromium.launch({ executablePath: chrome, headless: true, args: flags });
  await mkdir(shots, { recursive: true });
  return {
    person: (size = { width: 1366, height: 768 }, more = {}) => browser.newContext({ viewport: size, locale: 'zh-CN', timezoneId: 'Asia/Shanghai', reducedMotion: 'reduce', ...more }),
    close: async () => {
      await browser.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

// sizes of PAGE.md. Every page is looked at with data at each of them; empty and failing at the desk's, and at all of them
// with XINGLIN_ALL=1.
export const sizes = [['desk', 1366, 768], ['wide', 1920, 1080], ['phone', 390, 844]];
export const states = (size) => (size === 'desk' || process.env.XINGLIN_ALL ? ['data', 'empty', 'failing'] : ['data']);

// enter logs a person in and returns the page; what the browser complains about is collected.
export async function enter(context, url, username) {
  const page = await context.newPage();
  page.complaints = [];
  page.on('console', (m) => m.type() === 'error' && !/status of 4\d\d|status of 503|ERR_/.test(m.text()) && page.complaints.push(m.text()));
  page.on('pageerror', (e) => page.complaints.push(String(e)));
  await page.goto(url);
  await page.getByLabel('账号').fill(username);
  await page.getByLabel('密码', { exact: true }).fill(password);
  await page.getByRole('button', { name: '登录', exact: true }).click();
  await page.locator('nav.side').waitFor({ state: 'attached' });
  return page;
}

// grown says that a patient consents for himself.
export const grown = (patient) => Date.now() - Date.parse(patient.birthDate) > 19 * 365.25 * 86_400_000;

// compose fills in a referral of the open patient to the centre, which is another legal person: the patient consents.
export async function compose(page, reason, phone) {
  await page.getByRole('button', { name: '发起双向转诊' }).click();
  await page.getByLabel('转往机构').click();
  await page.keyboard.type('杏州医院');
  await page.locator('.ant-select-tree-title').filter({ hasText: /杏州医院$/ }).first().click();
  await page.getByText('紧急（2 小时内接收）').click();
  await page.getByLabel('病情与转诊原因').fill(reason);
  await page.getByLabel('联系电话').fill(phone);
  await page.getByText('患者本人同意').click();
}

// step presses an action of the case, fills in what it asks, confirms, and waits for the new state.
export async function step(page, name, state, fill = {}, ...choices) {
  const direct = page.locator('.case-actions').getByRole('button', { name, exact: true });
  await page.locator('.case-actions .actions').waitFor();
  if (await direct.count()) await direct.first().click();
  else {
    await page.getByRole('button', { name: /其他操作/ }).click();
    await page.getByRole('menuitem', { name, exact: true }).click();
  }
  const form = page.getByRole('form', { name, exact: true });
  for (const [label, text] of Object.entries(fill)) {
    const box = form.getByRole('textbox', { name: label }).or(form.getByRole('combobox', { name: label })).first();
    await box.fill(text);
    await box.blur(); // a list of choices would lie over the button
  }
  for (const choice of choices) await form.getByText(choice, { exact: true }).click();
  await form.getByRole('button', { name: `确认${name}` }).click();
  await form.waitFor({ state: 'detached', timeout: 15_000 });
  await page.locator('.case-title .mark').filter({ hasText: state }).waitFor({ timeout: 15_000 });
}

// settled waits until the page has drawn what it asked for.
export async function settled(page) {
  await page.waitForLoadState('domcontentloaded');
  await page.waitForFunction(() => !document.querySelector('.loading, .ant-skeleton-active'), undefined, { timeout: 15_000 });
  await page.evaluate(() => document.fonts.ready);
}

const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// serious lists axe's serious and critical findings in words. What is half faded in or out has no colours of its own: what
// is found is looked for once more when nothing fades.
export async function serious(page) {
  await still(page);
  await page.evaluate(axeSource);
  const found = await findings(page);
  if (!found.length) return found;
  await still(page);
  return findings(page);
}

const still = (page) => page.evaluate(() => Promise.all(document.getAnimations().filter((a) => a.effect?.getComputedTiming().iterations !== Infinity).map((a) => a.finished.catch(() => {}))));

async function findings(page) {
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }));
  return found.violations.filter((v) => ['serious', 'critical'].includes(v.impact))
    .map((v) => `${v.id}: ${v.help} — ${v.nodes.slice(0, 3).map((n) => `${n.target.join(' ')} ${n.any[0]?.message ?? ''}`).join(' | ')}`);
}

export const shoot = (page, name) => page.screenshot({ path: join(shots, `${name}.png`) });
