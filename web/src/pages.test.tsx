import { screen } from '@testing-library/react';
import type { ReactNode } from 'react';
import { describe, expect, it } from 'vitest';
import { line } from '../dev/fixtures.ts';
import Audit from './admin/audit';
import TrailCopy from './admin/copy';
import Channels from './admin/channels';
import Orgs from './registry/orgs';
import Subscriptions from './admin/subscriptions';
import Users from './admin/users';
import { CasePage } from './line/case';
import Indicators from './line/indicators';
import { LinePage } from './line/page';
import PatientPage from './patient/page';
import Work from './shell/work';
import { hub, refuse } from './test-hub';

interface Page { name: string; page: ReactNode; path?: string; route?: string; ask: string; empty: unknown; says: RegExp; data: RegExp }

const pages: Page[] = [
  { name: 'my work', page: <Work />, ask: 'GET /api/work', empty: { rows: [], total: 0 }, says: /现在没有等您处理的事/, data: /胸痛待查/ },
  { name: 'worklist', page: <LinePage line={line} />, path: '/', ask: 'GET /api/lines/referral/worklist', empty: { rows: null, total: 0 }, says: /现在没有等您处理的转诊/, data: /欧阳建国/ },
  { name: 'case', page: <CasePage line={line} />, path: '/c/t1', route: '/c/:id', ask: 'GET /api/lines/referral/cases/:id', empty: { row: { task: 'Task/t1', flow: 'up', urgency: 'routine', patient: { name: '李四' }, what: '', from: {}, to: {}, state: 'submitted', stateName: { zh: '待接收' }, stateKind: 'open', enteredAt: '2026-01-01T00:00:00Z', late: false, mine: false, updated: '', version: '1' } }, says: /没有随附资料/, data: /脑梗死/ },
  { name: 'indicators', page: <Indicators line={line} />, ask: 'GET /api/lines/referral/indicators', empty: [], says: /还没有指标/, data: /85\.4%/ },
  { name: 'patient', page: <PatientPage />, path: '/p/p1', route: '/p/:id', ask: 'GET /api/patients/:id', empty: { banner: { reference: 'Patient/p1', name: '李四' }, timeline: [], next: '' }, says: /还没有记录/, data: /肌钙蛋白 I/ },
  { name: 'organisations', page: <Orgs />, ask: 'GET /api/admin/orgs', empty: [], says: /还没有机构/, data: /青溪县总医院/ },
  { name: 'users', page: <Users />, ask: 'GET /api/admin/users', empty: [], says: /还没有用户/, data: /zhoumin/ },
  { name: 'channels', page: <Channels />, ask: 'GET /api/admin/channels', empty: [], says: /还没有通知渠道/, data: /127\.0\.0\.1:9/ },
  { name: 'subscriptions', page: <Subscriptions />, ask: 'GET /api/admin/subscriptions', empty: { subscriptions: [] }, says: /还没有订阅/, data: /his\.example\.cn/ },
  { name: 'access log', page: <Audit />, ask: 'GET /api/audit/groups', empty: { groups: [], next: '' }, says: /没有符合条件的访问记录/, data: /打开患者页面/ },
  { name: 'access log, one by one', page: <Audit />, path: '/audit?view=single', ask: 'GET /api/audit', empty: { entries: [], next: '' }, says: /没有符合条件的访问记录/, data: /查看患者/ },
  { name: 'copy for the patient', page: <TrailCopy />, path: '/audit/copy/p1', route: '/audit/copy/:id', ask: 'GET /api/audit/patient/:id', empty: { from: '2026-01-01T00:00:00Z', made: '2026-02-01T00:00:00Z', lines: null }, says: /这段时间没有访问记录/, data: /打开患者页面/ },
];

describe.each(pages)('$name', ({ page, path, route, ask, empty, says, data }) => {
  it('empty says what would appear', async () => {
    hub(page, { path, route, say: { [ask]: empty } });
    expect(await screen.findByText(says)).toBeInTheDocument();
  });
  it('an error says what, why and a number to quote', async () => {
    hub(page, { path, route, say: { [ask]: refuse(503, 'down', '数据库正在恢复') } });
    const alert = (await screen.findAllByRole('alert'))[0]!;
    expect(alert).toHaveTextContent('服务器出了问题');
    expect(alert).toHaveTextContent('数据库正在恢复');
    expect(alert).toHaveTextContent('q-77');
  });
  it('shows its data', async () => {
    hub(page, { path, route });
    expect((await screen.findAllByText(data)).length).toBeGreaterThan(0);
  });
});

it('a network that is down is said as such', async () => {
  hub(<Work />, { say: { 'GET /api/work': new TypeError('fetch failed') } });
  expect(await screen.findByRole('alert')).toHaveTextContent('连不上服务器');
});
