// The registry as an administrator sees it: every page with data, empty and failing, at the sizes of PAGE.md, and a
// dispatch from a spreadsheet to the list of people.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { enter, open, serious, serve, settled, shoot, sizes, states } from './browser.mjs';

let hub, browser;
before(async () => {
  hub = await serve({ patients: 60, referrals: 20 });
  browser = await open();
}, { timeout: 180_000 });
after(async () => {
  await browser?.close();
  await hub?.stop();
});

// quiet puts away the notice of a new login, which comes and fades by itself.
const quiet = (page) => page.addStyleTag({ content: '.ant-notification { display: none !important }' });

const pages = [
  { name: 'people', as: 'guanli', path: '/admin/people', ask: '**/api/registry/people?*', empty: { people: [], next: '' } },
  { name: 'ending', as: 'guanli', path: '/admin/people?show=ending', ask: '**/api/registry/expiring', empty: { endings: [] } },
  { name: 'import', as: 'guanli', path: '/admin/import' },
  { name: 'teams', as: 'xinnei', path: '/teams', ask: '**/api/registry/teams*', empty: { teams: [] } },
  { name: 'partners', as: 'xiangcun', path: '/partners', ask: '**/api/registry/partners*', empty: { partners: [] } },
  { name: 'countersign', as: 'xiangzhen', path: '/lines/countersign' },
];

for (const [size, width, height] of sizes) {
  test(`${size} ${width}×${height}`, { timeout: 300_000 }, async (t) => {
    const logged = new Map();
    const as = async (who) => {
      if (!logged.has(who)) logged.set(who, await enter(await browser.person({ width, height }), hub.url, who));
      return logged.get(who);
    };
    for (const p of pages)
      for (const state of states(size)) {
        if (state !== 'data' && !p.ask) continue;
        await t.test(`${p.name}, ${state}`, async () => {
          const page = await as(p.as);
          if (state !== 'data')
            await page.route(p.ask, (r) => r.fulfill({ status: state === 'empty' ? 200 : 503, contentType: 'application/json', body: JSON.stringify(state === 'empty' ? p.empty
              : { resourceType: 'OperationOutcome', issue: [{ severity: 'fatal', code: 'exception', details: { coding: [{ code: 'unavailable' }], text: '数据库正在恢复，请稍候' }, diagnostics: 'request 7f3a91c2' }] }) }));
          try {
            await page.goto(hub.url + p.path);
            await page.locator('main#content > *').first().waitFor();
            await settled(page);
            await quiet(page);
            await shoot(page, `registry-${p.name}-${state}-${size}`);
            assert.deepEqual(await serious(page), []);
            const sideways = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
            assert.ok(sideways <= 0, `the page is ${sideways} px wider than the screen`);
            assert.deepEqual(page.complaints.splice(0).filter((c) => state !== 'failing' || !c.includes('503')), []);
          } finally {
            await page.unrouteAll({ behavior: 'ignoreErrors' });
          }
        });
      }
    await t.test('an organisation with its heads, a person with what he may do', async () => {
      const page = await as('guanli');
      await page.goto(`${hub.url}/admin/orgs`);
      await settled(page);
      await page.getByLabel('按名称查找').fill('杏州区域医疗中心心血管内科');
      await page.locator('.ant-tree-title').filter({ hasText: '心血管内科' }).first().click();
      await page.getByLabel('上级机构').waitFor();
      await settled(page);
      await shoot(page, `registry-org-${size}`);
      assert.deepEqual(await serious(page), []);
      await page.getByRole('tab', { name: '负责人' }).click();
      await page.getByLabel('哪一天的负责人').fill(`${new Date().getFullYear()}-01-03`);
      await page.getByRole('status', { name: '哪一天的负责人' }).getByText('业务主任').first().waitFor();
      await settled(page);
      await shoot(page, `registry-heads-${size}`);
      assert.deepEqual(await serious(page), []);
      await page.getByRole('tab', { name: '服务能力' }).click();
      await settled(page);
      await shoot(page, `registry-services-${size}`);
      await page.getByRole('tab', { name: '变更历史' }).click();
      await settled(page);
      assert.deepEqual(await serious(page), []);
      await page.goto(`${hub.url}/admin/people`);
      await page.locator('tbody .row-open').first().click();
      await page.getByRole('complementary').getByText('今天可以做什么').waitFor();
      await settled(page);
      await shoot(page, `registry-person-${size}`);
      assert.deepEqual(await serious(page), []);
      await page.getByRole('button', { name: '任命 / 派驻' }).click();
      await page.getByRole('form', { name: '任命 / 派驻' }).scrollIntoViewIfNeeded();
      await settled(page);
      await shoot(page, `registry-appoint-${size}`);
      assert.deepEqual(await serious(page), []);
    });
    for (const page of logged.values()) await page.context().close();
  });
}

test('a spreadsheet is checked, mended, taken, and shows among the people', { timeout: 120_000 }, async () => {
  const page = await enter(await browser.person(), hub.url, 'guanli');
  await page.goto(`${hub.url}/admin/import`);
  const give = (text) => page.locator('input[type=file]').setInputFiles({ name: 'people.csv', mimeType: 'text/csv', buffer: Buffer.from(text) });
  await give('机构编码,工号,姓名\ncentre,Z 01,钱新\noutput,Z02,孙新\n');
  await page.getByText('2 处错误，未导入').waitFor();
  await settled(page);
  await shoot(page, 'registry-import-errors');
  assert.deepEqual(await serious(page), []);
  await give('机构编码,工号,姓名\ncentre,Z01,钱新\n');
  await page.getByText('检查通过，尚未导入').waitFor();
  await shoot(page, 'registry-import-checked');
  await page.getByRole('button', { name: '导入 1 项' }).click();
  await page.getByText('已导入').waitFor();
  await give('机构编码,科室编码,工号,角色,开始日期\ncentre,cardiology,Z01,receiving-doctor,2026-01-01\n');
  await page.getByRole('button', { name: '导入 1 项' }).click();
  await page.getByText('已导入').waitFor();
  await page.goto(`${hub.url}/admin/people`);
  await page.getByLabel('按姓名或工号查找').fill('钱新');
  await page.keyboard.press('Enter');
  await page.getByRole('row', { name: /钱新/ }).waitFor();
});
