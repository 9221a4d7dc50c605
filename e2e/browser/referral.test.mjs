// A referral goes from the village to the centre and comes home with a plan, by its people, each in a browser of his own.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { compose, enter, grown, open, serve, settled, shoot, step } from './browser.mjs';

let hub, browser;
before(async () => {
  hub = await serve();
  browser = await open();
}, { timeout: 180_000 });
after(async () => {
  await browser?.close();
  await hub?.stop();
});

const stateOf = (page) => page.locator('.case-title .mark').innerText();

test('from the village to the centre and back', { timeout: 240_000 }, async () => {
  const village = await enter(await browser.person(), hub.url, 'xiangcun');
  const centre = await enter(await browser.person(), hub.url, 'xinnei');
  let clicks = 0;
  await village.exposeFunction('clicked', () => clicks++);
  await village.evaluate(() => document.addEventListener('click', (e) => e.isTrusted && window.clicked(), true));

  // a known patient: `/`, a name, Enter
  const me = await village.evaluate(() => fetch('/fhir/Patient?_count=40&_sort=-_id').then((r) => r.json()));
  const open = await village.evaluate(async (all) => {
    for (const e of all) {
      const rows = await fetch(`/api/lines/referral/open?patient=Patient/${e.id}`).then((r) => r.json());
      if (!(rows.rows ?? rows).length) return e.id;
    }
    return null;
  }, me.entry.filter((e) => grown(e.resource)).map((e) => ({ id: e.resource.id })));
  assert.ok(open, 'the village has a patient without an open referral');
  const name = me.entry.find((e) => e.resource.id === open).resource.name[0].text;
  await village.goto(`${hub.url}/patients/${open}`);
  await settled(village);
  await village.evaluate(() => document.addEventListener('click', (e) => e.isTrusted && window.clicked(), true));
  clicks = 0;

  await compose(village, '活动后胸痛 3 天，加重 2 小时', '0730-5550101');
  await settled(village);
  await shoot(village, 'referral-1-compose');
  await village.getByRole('button', { name: '提交转诊' }).click();
  await village.waitForURL(/\/cases\//);
  await village.locator('.case-title').waitFor();
  assert.ok(clicks <= 8, `referring a known patient took ${clicks} clicks; want at most 8`);
  assert.equal(await stateOf(village), '待接收');
  const task = village.url().split('/').at(-1);

  // the referral office sees it, with the patient's name; a doctor sees it once it is routed to his department
  const list = `${hub.url}/lines/referral?view=in&q=${encodeURIComponent(name)}`;
  await centre.goto(list);
  await settled(centre);
  assert.equal(await centre.getByRole('row', { name: new RegExp(`${name}.*待接收`) }).count(), 0, 'nobody has routed it to cardiology');
  const office = await enter(await browser.person(), hub.url, 'zhuanzhenban');
  await office.goto(list);
  await office.getByRole('row', { name: new RegExp(`紧急 ${name}.*待接收`) }).click();
  await office.locator('.case-title').waitFor();
  await settled(office);
  await shoot(office, 'referral-2-incoming');
  await office.goto(`${hub.url}/lines/referral/cases/${task}`);
  await step(office, '接收', '已接收', { 科室: '心血管内科' });
  await centre.getByRole('row', { name: new RegExp(`${name}.*已接收`) }).waitFor({ timeout: 20_000 });
  await centre.goto(`${hub.url}/lines/referral/cases/${task}`);
  await centre.locator('.case-title .mark').filter({ hasText: '已接收' }).waitFor({ timeout: 20_000 });
  await centre.getByRole('button', { name: '接诊', exact: true }).waitFor({ timeout: 20_000 });
  await step(centre, '接诊', '已接诊', { 联系人: '林芳', 联系电话: '0731-5550199' });

  // the village sees the new state without touching anything: the stream brings it
  await village.locator('.case-title .mark').filter({ hasText: '已接诊' }).waitFor({ timeout: 20_000 });
  await step(village, '出发', '转运中');
  await centre.locator('.case-title .mark').filter({ hasText: '转运中' }).waitFor({ timeout: 20_000 });
  await step(centre, '到达', '已到达');
  await step(centre, '诊治完成', '已诊治', { 诊治小结: '冠脉支架一枚，术后平稳' });
  await step(centre, '下转', '已诊治', { 康复与治疗计划: '双联抗血小板一年，低盐饮食', 危险信号: '胸痛再发', 联系人: '林芳', 联系电话: '0731-5550199' }, '患者本人同意');
  await shoot(centre, 'referral-3-sent-back');

  // home again: the way back is a hand-over of its own, and the village accepts it
  await village.goto(`${hub.url}/lines/referral?view=in&flow=down&q=${encodeURIComponent(name)}`);
  await village.getByRole('row', { name: new RegExp(name) }).first().click();
  await village.locator('.case-title').waitFor();
  await settled(village);
  assert.match(await village.locator('.desk-case').innerText(), /双联抗血小板/);
  await shoot(village, 'referral-4-home');
  await step(village, '承接', '已承接', { 联系人: '仝敏', 联系电话: '0730-5550101' });
  await step(village, '患者已回', '已回到当地');
  assert.deepEqual(village.complaints, []);
  assert.deepEqual(centre.complaints, []);

  // the auditor of the centre sees who looked
  const auditor = await enter(await browser.person(), hub.url, 'shenji');
  await auditor.goto(`${hub.url}/audit?view=single&patient=Patient/${open}`);
  await auditor.getByRole('table', { name: '访问记录' }).waitFor();
  assert.ok(await auditor.locator('table.audit tbody tr').count() > 3, 'each touch stands in the access log');
  await shoot(auditor, 'referral-5-audit');
});
