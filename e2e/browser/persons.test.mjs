// The patient index as a records clerk sees it: the worklist at the sizes of PAGE.md with data, empty and failing; a pair
// decided by keyboard; a link undone on the patient page.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { enter, open, serious, serve, settled, shoot, sizes, states } from './browser.mjs';

let hub, browser;
before(async () => {
  hub = await serve({ patients: 200, referrals: 10 });
  browser = await open();
}, { timeout: 180_000 });
after(async () => {
  await browser?.close();
  await hub?.stop();
});

const quiet = (page) => page.addStyleTag({ content: '.ant-notification { display: none !important }' });
const outcome = { resourceType: 'OperationOutcome', issue: [{ severity: 'fatal', code: 'exception', details: { coding: [{ code: 'unavailable' }], text: '数据库正在恢复，请稍候' }, diagnostics: 'request 7f3a91c2' }] };

// pairs waits until the index has found what the demo hides.
async function pairs(page, atLeast) {
  for (let n = 0; ; n++) {
    const said = await page.evaluate(() => fetch('/api/pairs?view=mine').then((r) => r.json()));
    if ((said.total ?? 0) >= atLeast) return said;
    assert.ok(n < 300, `the index found ${said.total} pairs; want ${atLeast}`);
    await page.waitForTimeout(200);
  }
}

for (const [size, width, height] of sizes) {
  test(`${size} ${width}×${height}`, { timeout: 300_000 }, async (t) => {
    const page = await enter(await browser.person({ width, height }), hub.url, 'bingan');
    const found = await pairs(page, 2);
    const check = async (name) => {
      await settled(page);
      await quiet(page);
      await shoot(page, `persons-${name}-${size}`);
      assert.deepEqual(await serious(page), []);
      const sideways = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(sideways <= 0, `the page is ${sideways} px wider than the screen`);
    };
    await t.test('worklist', async () => {
      await page.goto(`${hub.url}/lines/personreview`);
      await page.getByRole('list', { name: '疑似同一人' }).waitFor();
      await check('worklist');
    });
    await t.test('side by side', async () => {
      await page.goto(`${hub.url}/lines/personreview?case=${found.rows[0].task.split('/')[1]}`);
      await page.getByRole('table', { name: '并列比对' }).waitFor();
      await check('pair');
      await page.keyboard.press('a');
      await page.getByRole('form', { name: '是同一人' }).waitFor();
      await check('accept');
      await page.keyboard.press('Escape');
    });
    for (const [state, status, body] of [['empty', 200, { rows: [], total: 0 }], ['failing', 503, outcome]].filter(([name]) => states(size).includes(name)))
      await t.test(state, async () => {
        await page.route('**/api/pairs?*', (r) => r.fulfill({ status, contentType: 'application/json', body: JSON.stringify(body) }));
        await page.goto(`${hub.url}/lines/personreview`);
        await page.locator('main#content > *').first().waitFor();
        await check(state);
        await page.unrouteAll({ behavior: 'ignoreErrors' });
      });
    assert.deepEqual(page.complaints.filter((c) => !c.includes('503')), []);
  });
}

test('a pair is decided by keyboard and the next opens', { timeout: 120_000 }, async () => {
  const page = await enter(await browser.person(), hub.url, 'bingan');
  const before = await pairs(page, 2);
  await page.goto(`${hub.url}/lines/personreview`);
  await page.getByRole('list', { name: '疑似同一人' }).waitFor();
  await page.keyboard.press('j');
  await page.getByRole('table', { name: '并列比对' }).waitFor();
  const first = new URL(page.url()).searchParams.get('case');
  await page.keyboard.press('r');
  await page.getByRole('form', { name: '不是同一人' }).waitFor();
  await page.keyboard.press('1');
  await page.keyboard.press('Enter');
  await page.waitForFunction((was) => {
    const now = new URL(window.location.href).searchParams.get('case');
    return now && now !== was;
  }, first);
  await page.getByRole('table', { name: '并列比对' }).waitFor();
  const said = await page.evaluate(() => fetch('/api/pairs?view=mine').then((r) => r.json()));
  assert.equal(said.total, before.total - 1);
});

test('a link is undone on the patient page, and the timeline is narrowed again', { timeout: 120_000 }, async () => {
  const page = await enter(await browser.person(), hub.url, 'zongbingan');
  const linked = await page.evaluate(async () => {
    for (let n = 0; n < 100; n++) {
      const all = await fetch('/api/patients?count=100').then((r) => r.json());
      for (const p of all.filter((x) => x.reference.includes('-county-1'))) {
        const person = await fetch(`/api/patients/${p.reference.split('/')[1]}/person`).then((r) => r.json());
        if (person.person) return p.reference.split('/')[1];
      }
      await new Promise((r) => setTimeout(r, 200));
    }
    return '';
  });
  assert.ok(linked, 'the index linked nobody whom the group sees twice');
  await page.goto(`${hub.url}/patients/${linked}`);
  await page.getByText('2 家医院的记录合为一人').click();
  await page.getByRole('table', { name: /综合档案/ }).waitFor();
  assert.ok(await page.getByText(/^出自 /).count() > 0, 'no entry says that it stands in another record');
  await settled(page);
  await quiet(page);
  await shoot(page, 'persons-patient-desk');
  assert.deepEqual(await serious(page), []);
  await page.getByRole('button', { name: '这不是同一人' }).click();
  await page.getByRole('radio', { name: /双胞胎/ }).click();
  await page.getByRole('form', { name: '这不是同一人' }).getByRole('button', { name: '这不是同一人' }).click();
  await page.getByRole('note').filter({ hasText: '解除合并' }).waitFor();
  await page.waitForFunction(() => !document.body.textContent.includes('合为一人'));
  await settled(page);
  await shoot(page, 'persons-undone-desk');
  assert.equal(await page.getByText(/^出自 /).count(), 0);
});
