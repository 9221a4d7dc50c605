// Every page with data, empty and failing, at the sizes of PAGE.md: no serious finding of axe, no complaint of the
// browser, a picture of each in test-results/pages.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { enter, open, serious, serve, settled, shoot, sizes, states } from './browser.mjs';

const nothing = { rows: [], total: 0, next: '', counts: {} };

let hub, browser, people;
before(async () => {
  hub = await serve();
  browser = await open();
  people = await known();
}, { timeout: 180_000 });
after(async () => {
  await browser?.close();
  await hub?.stop();
});

// known asks the hub which patient and case to look at: one that the doctor sees, and so does his referral office.
async function known() {
  const context = await browser.person();
  const page = await enter(context, hub.url, 'xinnei');
  const list = await page.evaluate(() => fetch('/api/lines/referral/worklist?view=in&count=50').then((r) => r.json()));
  const row = list.rows.find((r) => ['received', 'accepted', 'arrived', 'treated'].includes(r.state)) ?? list.rows[0];
  await context.close();
  return { patient: row.patient.reference.split('/')[1], task: row.task.split('/')[1] };
}

const pages = () => [
  { name: 'work', as: 'zhuanzhenban', path: '/', ask: '**/api/work*', empty: nothing },
  { name: 'worklist', as: 'zhuanzhenban', path: '/lines/referral?view=in', ask: '**/api/lines/*/worklist*', empty: nothing },
  { name: 'pane', as: 'zhuanzhenban', path: `/lines/referral?view=in&case=${people.task}`, only: ['desk', 'wide'] },
  { name: 'case', as: 'xinnei', path: `/lines/referral/cases/${people.task}`, ask: '**/api/lines/*/cases/*' },
  { name: 'compose', as: 'zhongxinyisheng', path: `/lines/referral/new?patient=${people.patient}`, ask: '**/api/**/open?*', empty: [] },
  { name: 'indicators', as: 'yuanzhang', path: '/lines/referral/indicators', ask: '**/api/**/indicators?*', empty: [] },
  { name: 'patient', as: 'xinnei', path: `/patients/${people.patient}`, ask: '**/api/patients/*', empty: { banner: { reference: 'Patient/x', name: '张三', sex: 'male', age: 40 }, timeline: [], next: '' } },
  { name: 'organisations', as: 'guanli', path: '/admin/orgs', ask: '**/api/admin/orgs', empty: [] },
  { name: 'users', as: 'guanli', path: '/admin/users', ask: '**/api/admin/users', empty: [] },
  { name: 'channels', as: 'guanli', path: '/admin/channels', ask: '**/api/admin/channels', empty: [] },
  { name: 'audit', as: 'shenji', path: '/audit', ask: '**/api/audit/groups*', empty: { groups: [], next: '' } },
];
const failing = { resourceType: 'OperationOutcome', issue: [{ severity: 'fatal', code: 'exception', details: { coding: [{ code: 'unavailable' }], text: '数据库正在恢复，请稍候' }, diagnostics: 'request 7f3a91c2' }] };

for (const [size, width, height] of sizes) {
  test(`${size} ${width}×${height}`, { timeout: 400_000 }, async (t) => {
    const logged = new Map();
    const as = async (who) => {
      if (!logged.has(who)) logged.set(who, await enter(await browser.person({ width, height }), hub.url, who));
      return logged.get(who);
    };
    for (const p of pages()) {
      if (p.only && !p.only.includes(size)) continue;
      for (const state of states(size)) {
        if ((state === 'empty' && p.empty === undefined) || (state === 'failing' && !p.ask)) continue;
        await t.test(`${p.name}, ${state}`, async () => {
          const page = await as(p.as);
          if (state !== 'data')
            await page.route(p.ask, (r) => (r.request().resourceType() === 'document' ? r.continue() : r.fulfill({
              status: state === 'empty' ? 200 : 503, contentType: 'application/json', body: JSON.stringify(state === 'empty' ? p.empty : failing),
            })));
          try {
            await page.goto(hub.url + p.path);
            await page.locator('main#content > *').first().waitFor();
            await settled(page);
            if (state === 'failing' && p.name !== 'compose') await page.getByText('request 7f3a91c2').or(page.getByText('7f3a91c2')).first().waitFor({ timeout: 15_000 });
            await shoot(page, `${p.name}-${state}-${size}`);
            if (state === 'data') assert.equal(await page.getByText('没有找到', { exact: true }).count(), 0, 'the page shows what it is about');
            assert.deepEqual(await serious(page), []);
            const sideways = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
            assert.ok(sideways <= 0, `the page is ${sideways} px wider than the screen`);
            assert.deepEqual(page.complaints.splice(0), []);
          } finally {
            await page.unrouteAll({ behavior: 'ignoreErrors' });
          }
        });
      }
    }
    for (const page of logged.values()) await page.context().close();
  });
}

test('the worklist shows 20 rows without scrolling at 1366×768', { timeout: 60_000 }, async () => {
  const page = await enter(await browser.person(), hub.url, 'zhuanzhenban');
  const row = (await page.evaluate(() => fetch('/api/lines/referral/worklist?view=closed&count=1').then((r) => r.json()))).rows[0];
  await page.route('**/api/lines/*/worklist*', (r) => r.fulfill({ contentType: 'application/json', body: JSON.stringify({ rows: Array.from({ length: 30 }, (_, i) => ({ ...row, task: `Task/${i}` })), total: 30, next: '', counts: {} }) }));
  await page.goto(`${hub.url}/lines/referral`);
  await settled(page);
  const seen = await page.locator('table.cases tbody tr').evaluateAll((rows) => rows.filter((r) => r.getBoundingClientRect().bottom <= window.innerHeight).length);
  assert.ok(seen >= 20, `got ${seen} rows; want 20`);
});

test('the first load stays under 300 KB compressed, and asks nobody else', { timeout: 60_000 }, async () => {
  const context = await browser.person();
  const page = await enter(context, hub.url, 'zhuanzhenban');
  await settled(page);
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  await session.send('Network.setCacheDisabled', { cacheDisabled: true });
  let bytes = 0;
  const kinds = new Map();
  const others = [];
  session.on('Network.responseReceived', (e) => {
    kinds.set(e.requestId, e.response.url);
    if (!e.response.url.startsWith(hub.url) && !e.response.url.startsWith('data:')) others.push(e.response.url);
  });
  session.on('Network.loadingFinished', (e) => {
    if (/\/assets\/|\/$/.test(kinds.get(e.requestId) ?? '')) bytes += e.encodedDataLength;
  });
  await page.goto(hub.url);
  await settled(page);
  console.log(`# first load ${(bytes / 1024).toFixed(0)} KB`);
  assert.ok(bytes < 300 * 1024, `got ${bytes} bytes`);
  assert.deepEqual(others, []);
});

test('a burst of events is asked about once, without what is known already', { timeout: 90_000 }, async () => {
  const page = await enter(await browser.person(), hub.url, 'zhuanzhenban');
  const other = await enter(await browser.person(), hub.url, 'zhuanzhenban');
  await page.goto(hub.url);
  await settled(page);
  await page.locator('nav.side .count').first().waitFor();
  const asked = [];
  let bytes = 0;
  page.on('response', async (r) => {
    const { pathname, search } = new URL(r.url());
    if (!pathname.startsWith('/api/') || pathname === '/api/stream') return;
    asked.push(pathname + search);
    bytes += (await r.request().sizes().catch(() => null))?.responseBodySize ?? 0;
  });
  const [events, took] = await other.evaluate(async () => {
    const { csrf } = await fetch('/api/me').then((r) => r.json());
    const { rows } = await fetch('/api/lines/referral/worklist?view=in&count=8').then((r) => r.json());
    const began = performance.now();
    const done = await Promise.all(rows.map((row) => fetch(`/api/lines/referral/cases/${row.task.split('/')[1]}/messages`, { method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf }, body: JSON.stringify({ text: '已安排' }) })));
    return [done.filter((r) => r.ok).length, performance.now() - began];
  });
  assert.ok(events >= 4, `${events} messages were left; want some`);
  await page.waitForTimeout(1500);
  const times = (path) => asked.filter((a) => a.startsWith(path)).length;
  console.log(`# ${events} events within ${took.toFixed(0)} ms: ${asked.length} requests, ${(bytes / 1024).toFixed(1)} KB: ${asked.join(' ')}`);
  assert.ok(times('/api/work') >= 1 && times('/api/work') <= took / 300 + 2, `the list was asked for ${times('/api/work')} times in ${took} ms`);
  assert.equal(times('/api/lines'), 0);
  assert.equal(times('/api/notices?count=30'), 0);
  assert.ok(bytes / times('/api/work') < 16 * 1024, `${bytes} bytes for ${times('/api/work')} refreshes`);
  await page.context().close();
  await other.context().close();
});
