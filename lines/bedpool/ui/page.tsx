import { lazy, Suspense, type ComponentType } from 'react';
import { Link, NavLink, Route, Routes, useLocation, useSearchParams } from 'react-router';
import { Select } from 'antd';
import type { Line } from '../../../web/src/fhir/types';
import { useWho } from '../../../web/src/shell/who';
import { EmptyState, ErrorState, Fence, Loading } from '../../../web/src/states/states';
import { useName, useWords } from '../../../web/src/words/words';
import { usePools, type Pool } from './api';
import en from './en.json';
import zh from './zh.json';
import './beds.css';

// What a tab is given: the line, and the pool of beds that is looked at.
export interface TabProps { line: Line; pool: Pool }

const CasePage = lazy(() => import('../../../web/src/line/case').then((m) => ({ default: m.CasePage })));
const Worklist = lazy(() => import('../../../web/src/line/worklist').then((m) => ({ default: m.Worklist })));
const Indicators = lazy(() => import('../../../web/src/line/indicators'));
const New = lazy(() => import('./new'));
const Directory = lazy(() => import('./directory')); // also for who has no beds of his own

type Tab = ComponentType<TabProps>;
const tabs: { at: string; show: Tab; roles?: RegExp }[] = [
  { at: 'board', show: lazy<Tab>(() => import('./board')) },
  { at: 'waiting', show: lazy<Tab>(() => import('./waiting')) },
  { at: 'discharges', show: lazy<Tab>(() => import('./discharges')) },
  { at: 'ward', show: lazy<Tab>(() => import('./ward')) },
  { at: 'shifts', show: lazy<Tab>(() => import('./shifts')) },
  { at: 'leader', show: lazy<Tab>(() => import('./leader')) },
  { at: 'directory', show: Directory },
  { at: 'rules', show: lazy<Tab>(() => import('./rules-tab')), roles: /leader|bed-desk|duty-chief|administrator/ },
  { at: 'simulate', show: lazy<Tab>(() => import('./simulate')), roles: /leader|bed-desk|duty-chief|administrator|affairs/ },
  { at: 'differences', show: lazy<Tab>(() => import('./differences')), roles: /leader|bed-desk|duty-chief|head-nurse|administrator/ },
];

// firstTab is where a role's day begins: a nurse's in the ward, a leader's with the figures, the desk's on the board.
export const firstTab = (role = '') => (/nurse/.test(role) && role !== 'nursing-duty' ? 'ward' : role === 'leader' ? 'leader' : 'board');

// The page of the pool of beds: the desk's day in tabs, each loaded when it is opened.
export default function BedPoolPage({ line }: { line: Line }) {
  return (
    <Suspense fallback={<Loading rows={18} />}>
      <Routes>
        <Route path="cases/:id" element={<CasePage line={line} />} />
        <Route path="new" element={<New line={line} />} />
        <Route path="cases" element={<Worklist line={line} canCompose={!!line.start?.length} />} />
        <Route path="indicators" element={<Indicators line={line} />} />
        <Route path="*" element={<Desk line={line} />} />
      </Routes>
    </Suspense>
  );
}

function Desk({ line }: { line: Line }) {
  const t = useWords({ zh, en });
  const say = useName();
  const me = useWho();
  const [url, setUrl] = useSearchParams();
  const pools = usePools();
  const place = useLocation();
  const role = me?.role?.role ?? '';
  const all = pools.data?.pools ?? [];
  const pool = all.find((p) => p.id === url.get('pool')) ?? all.find((p) => p.id === me?.role?.institution?.reference) ?? all[0];
  const seen = tabs.filter((x) => (!x.roles || x.roles.test(role)) && (pool || !pools.data || x.at === 'directory'));
  const search = url.get('pool') ? `?pool=${encodeURIComponent(url.get('pool')!)}` : '';
  const home = `/lines/${line.slug}`;
  const first = tabs.find((x) => x.at === firstTab(role))!;
  return (
    <section className="beds" aria-label={say(line.name)}>
      <div className="sheet-head beds-head">
        <h1>{say(line.name)}</h1>
        <nav className="views" aria-label={t('tabs')}>
          {seen.map((x) => (
            <NavLink key={x.at} to={{ pathname: `${home}/${x.at}`, search }} className={({ isActive }) => (isActive || (x === first && atHome()) ? 'view view-at' : 'view')}>{t(`tab.${x.at}`)}</NavLink>
          ))}
        </nav>
        <span className="grow" />
        {all.length > 1 && (
          <Select size="small" aria-label={t('pool')} value={pool?.id} popupMatchSelectWidth={false} options={all.map((p) => ({ value: p.id, label: p.name }))}
            onChange={(id) => setUrl((before) => {
              const next = new URLSearchParams(before);
              next.set('pool', id);
              return next;
            })} />
        )}
        <Link to={`${home}/cases`} className="not-phone">{t('cases')}</Link>
        <Link to={`${home}/indicators`} className="only-wide">{t('numbers')}</Link>
      </div>
      {pools.error && !pools.data ? <ErrorState error={pools.error} onRetry={() => void pools.refetch()} />
        : !pools.data ? <Loading rows={18} />
        : !pool ? (/\/directory$/.test(place.pathname) ? <Suspense fallback={<Loading rows={12} />}><Fence name="directory"><Directory /></Fence></Suspense> : <EmptyState title={t('noPool')} hint={t('noPoolHint')}><Link to={`${home}/directory`}>{t('tab.directory')}</Link></EmptyState>)
        : (
          <Suspense fallback={<Loading rows={18} />}>
            <Routes>
              {tabs.map((x) => <Route key={x.at} path={x.at} element={<Fence name={x.at}><x.show line={line} pool={pool} /></Fence>} />)}
              <Route index element={<Fence name="first"><first.show line={line} pool={pool} /></Fence>} />
              <Route path="*" element={<EmptyState title={t('noTab')}><Link to={home}>{t('back')}</Link></EmptyState>} />
            </Routes>
          </Suspense>
        )}
    </section>
  );

  function atHome() {
    return place.pathname.replace(/\/$/, '') === home;
  }
}
