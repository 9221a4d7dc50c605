import AuditOutlined from '@ant-design/icons/es/icons/AuditOutlined';
import InboxOutlined from '@ant-design/icons/es/icons/InboxOutlined';
import MenuOutlined from '@ant-design/icons/es/icons/MenuOutlined';
import NotificationOutlined from '@ant-design/icons/es/icons/NotificationOutlined';
import AppstoreOutlined from '@ant-design/icons/es/icons/AppstoreOutlined';
import ApartmentOutlined from '@ant-design/icons/es/icons/ApartmentOutlined';
import SwapOutlined from '@ant-design/icons/es/icons/SwapOutlined';
import ShareAltOutlined from '@ant-design/icons/es/icons/ShareAltOutlined';
import BankOutlined from '@ant-design/icons/es/icons/BankOutlined';
import SolutionOutlined from '@ant-design/icons/es/icons/SolutionOutlined';
import UsergroupAddOutlined from '@ant-design/icons/es/icons/UsergroupAddOutlined';
import TeamOutlined from '@ant-design/icons/es/icons/TeamOutlined';
import { useQueryClient } from '@tanstack/react-query';
import { App } from 'antd';
import { lazy, Suspense, useCallback, useEffect, useState, type ReactNode } from 'react';
import { NavLink, Route, Routes, useLocation, useNavigate } from 'react-router';
import { idOf } from '../fhir/client';
import { useCounts, useLines } from '../fhir/queries';
import type { Counts, Line, Me, Notice } from '../fhir/types';
import { Fence, EmptyState, Loading } from '../states/states';
import { useMarks, useName, useWords } from '../words/words';
import en from './en.json';
import { corner } from './corner';
import { useLive } from './live';
import { MeMenu, RoleMenu } from './me';
import { Proof } from '../account/proof';
import { NewDevices } from './new-devices';
import { MeContext } from './who';
import { Notices } from './notices';
import { PatientSearch } from './search';
import Work from './work';
import zh from './zh.json';

const Password = lazy(() => import('./password'));
const LineRoute = lazy(() => import('../line/route'));
const PatientRoute = lazy(() => import('../patient/page'));
const Orgs = lazy(() => import('../registry/orgs'));
const People = lazy(() => import('../registry/people'));
const Teams = lazy(() => import('../registry/teams'));
const Import = lazy(() => import('../registry/import'));
const Partners = lazy(() => import('../registry/partners'));
const Account = lazy(() => import('../account/page'));
const Users = lazy(() => import('../admin/users'));
const Channels = lazy(() => import('../admin/channels'));
const Subscriptions = lazy(() => import('../admin/subscriptions'));
const Apps = lazy(() => import('../admin/apps'));
const MyApps = lazy(() => import('../apps/mine'));
const Audit = lazy(() => import('../admin/audit'));
const TrailCopy = lazy(() => import('../admin/copy'));

export default function Shell({ me }: { me: Me }) {
  const t = useWords({ zh, en });
  const name = useName();
  const { notification } = App.useApp();
  const go = useNavigate();
  const place = useLocation();
  const client = useQueryClient();
  const lines = useLines();
  const [menu, setMenu] = useState(false);
  useEffect(() => setMenu(false), [place.pathname]);

  const onNotice = useCallback((n: Notice) => {
    if (!n.mine) return;
    notification.open({
      key: `notice-${n.seq}`,
      title: name(n.text),
      placement: corner(),
      duration: 8,
      role: 'status',
      onClick: () => n.focus && n.line && go(`/lines/${n.line}/cases/${idOf(n.focus)}`),
    });
  }, [notification, name, go]);
  const live = useLive(me, onNotice);

  const counts = useCounts(typeof EventSource === 'undefined' || live !== 'live').data;
  const all = lines.data ?? [];
  const waiting = all.reduce((n, l) => n + (counts?.[l.slug]?.waiting ?? 0), 0);
  const late = all.reduce((n, l) => n + (counts?.[l.slug]?.mineLate ?? 0), 0);
  useEffect(() => {
    document.title = waiting ? `(${waiting}) ${t('brand')}` : t('brand');
  }, [waiting, t]);

  const isAdmin = me.role?.role?.includes('admin');
  const seesPatients = !/administrator|auditor/.test(me.role?.role ?? '');
  const seesStaff = /affairs|leader/.test(me.role?.role ?? '');
  const seesAudit = /audit|leader/.test(me.role?.role ?? '');

  return (
    <MeContext.Provider value={me}>
      <a className="skip" href="#content">{t('skip')}</a>
      <div className={menu ? 'shell menu-open' : 'shell'}>
        <header className="top">
          <button type="button" className="icon-button only-phone" aria-label={t('openMenu')} aria-expanded={menu} onClick={() => setMenu(!menu)}>
            <MenuOutlined />
          </button>
          <NavLink to="/" className="brand" title={t('work')}>
            <img src="/icon.svg" alt="" width={24} height={24} />
            <span>{name(me.hub?.name) || t('brand')}</span>
          </NavLink>
          {seesPatients ? <PatientSearch /> : <span className="search" />}
          <RoleMenu me={me} />
          <Notices />
          <MeMenu me={me} />
        </header>
        <nav className="side" aria-label={t('menu')}>
          <Item to="/" end icon={<InboxOutlined />} count={waiting} late={late} t={t}>{t('work')}</Item>
          {(all.length > 0 || !lines.data) && <div className="side-head">{t('lines')}</div>}
          {!lines.data && (lines.error
            ? <button type="button" className="side-item side-failed" onClick={() => void lines.refetch()}>{t('linesFailed')}</button>
            : <div className="side-wait" role="status" aria-label={t('lines')}>{[0, 1, 2, 3, 4].map((n) => <i key={n} />)}</div>)}
          {all.map((l) => (
            <LineItem key={l.slug} line={l} counts={counts?.[l.slug]} t={t} label={name(l.name)} />
          ))}
          <div className="side-head">{t('directory')}</div>
          <Item to="/partners" icon={<BankOutlined />} t={t}>{t('partners')}</Item>
          <Item to="/teams" icon={<UsergroupAddOutlined />} t={t}>{t('teams')}</Item>
          {(isAdmin || seesAudit || seesStaff) && <div className="side-head">{t('manage')}</div>}
          {isAdmin && <Item to="/admin/orgs" icon={<ApartmentOutlined />} t={t}>{t('orgs')}</Item>}
          {(isAdmin || seesStaff) && <Item to="/admin/people" icon={<SolutionOutlined />} t={t}>{t('people')}</Item>}
          {isAdmin && <Item to="/admin/users" icon={<TeamOutlined />} t={t}>{t('users')}</Item>}
          {isAdmin && <Item to="/admin/channels" icon={<NotificationOutlined />} t={t}>{t('channels')}</Item>}
          {isAdmin && <Item to="/admin/subscriptions" icon={<ShareAltOutlined />} t={t}>{t('subs')}</Item>}
          {isAdmin && <Item to="/admin/apps" icon={<AppstoreOutlined />} t={t}>{t('apps')}</Item>}
          {seesAudit && <Item to="/audit" icon={<AuditOutlined />} t={t}>{t('audit')}</Item>}
          {me.role?.role === 'patient' && <Item to="/trail" icon={<AuditOutlined />} t={t}>{t('myTrail')}</Item>}
          <div className="side-foot quiet small">
            {me.demo && <span className="demo-mark">{t('demo')}</span>}
            {me.hub?.version && <span>{t('version')} {me.hub.version}</span>}
          </div>
        </nav>
        <main id="content" tabIndex={-1} className="content">
          {live !== 'live' && <div className={`bar bar-${live}`} role="status">{t(live === 'offline' ? 'offlineBar' : 'staleBar')}</div>}
          <Fence name={place.pathname}>
            <Suspense fallback={<Loading rows={14} />}>
              <Routes>
                <Route index element={<Work />} />
                <Route path="lines/:slug/*" element={<LineRoute />} />
                <Route path="patients/:id" element={<PatientRoute />} />
                <Route path="admin/orgs" element={<Orgs />} />
                <Route path="admin/people" element={<People />} />
                <Route path="admin/import" element={<Import />} />
                <Route path="teams" element={<Teams />} />
                <Route path="partners" element={<Partners />} />
                <Route path="admin/users" element={<Users />} />
                <Route path="admin/channels" element={<Channels />} />
                <Route path="admin/subscriptions" element={<Subscriptions />} />
                <Route path="admin/apps" element={<Apps />} />
                <Route path="me/apps" element={<MyApps />} />
                <Route path="audit" element={<Audit />} />
                <Route path="audit/copy/:id" element={<TrailCopy />} />
                <Route path="trail" element={<TrailCopy />} />
                <Route path="me" element={<Account />} />
                <Route path="*" element={
                  <EmptyState title={t('notFound')} hint={t('notFoundHint')}><NavLink to="/">{t('home')}</NavLink></EmptyState>
                } />
              </Routes>
            </Suspense>
          </Fence>
        </main>
        <Proof />
        <NewDevices />
        {me.user.mustChangePassword && <Suspense><Password must onClose={() => void client.invalidateQueries({ queryKey: ['me'] })} /></Suspense>}
        {menu && <button type="button" className="veil" aria-label={t('close')} onClick={() => setMenu(false)} />}
      </div>
    </MeContext.Provider>
  );
}

type T = (key: string, values?: Record<string, string | number>) => string;

function LineItem({ line, counts, label, t }: { line: Line; counts?: Counts; label: string; t: T }) {
  return (
    <Item to={`/lines/${line.slug}`} icon={<SwapOutlined />} count={counts?.waiting} late={counts?.mineLate} t={t}>{label}</Item>
  );
}

function Item({ to, end, icon, count = 0, late = 0, children, t }: {
  to: string; end?: boolean; icon: ReactNode; count?: number; late?: number; children: ReactNode; t: T;
}) {
  const marks = useMarks();
  const said = count ? t('waiting', { n: count }) + (late ? `${marks.comma}${t('lateN', { n: late })}` : '') : undefined;
  return (
    <NavLink to={to} end={end} className="side-item" title={said}>
      <span className="side-icon" aria-hidden>{icon}</span>
      <span className="side-label">{children}</span>
      {count > 0 && (
        <span className={late ? 'count count-late' : 'count'}>
          <span aria-hidden>{late ? '!' : ''}{count}</span>
          <span className="sr">{said}</span>
        </span>
      )}
    </NavLink>
  );
}
