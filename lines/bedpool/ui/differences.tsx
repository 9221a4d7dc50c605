import { App, Button, Input, Segmented, Switch } from 'antd';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Fragment, useState } from 'react';
import { Link } from 'react-router';
import { get, post, query } from '../../../web/src/fhir/client';
import type { Name } from '../../../web/src/fhir/types';
import { EmptyState, ErrorState, Loading } from '../../../web/src/states/states';
import { timeOf } from '../../../web/src/words/time';
import { useLang, useName, useWords } from '../../../web/src/words/words';
import { hours, percent } from './figures';
import en from './his.en.json';
import zh from './his.zh.json';
import type { TabProps } from './page';
import './figures.css';

// What internal/api/beds_his.go writes.
export interface Difference {
  id: string; kind: string; kindName: Name; ward?: string; wardName?: string; bed?: string; bedName?: string; named?: string; // named: what the hospital's system calls a bed that is not in the register
  had: string; said: string; patient?: string; name?: string; task?: string; line?: string; since: string; times: number; resolved?: string; how?: string; by?: string; note?: string;
}
export interface Differences { at: string; differences: Difference[] | null; ways: Record<string, Name>; may: boolean }
export interface Source { ward: string; name: string; owner: 'hub' | 'his'; shadow: boolean; since?: string; by?: string; reason?: string }
export interface Sources { wards: Source[] | null; senders: { name: string; last?: string; today: Record<string, number>; refused?: Record<string, number> }[] | null; may: boolean }
export interface Shadow {
  from: string; until: string; cases: number; open: number; sameBed: number; sameWard: number; soonerHoursP50: number; soonerHoursP90: number; soonerHours: number;
  rows: { id: string; patient?: string; name?: string; task?: string; line?: string; ward: string; bed: string; zh?: string; en?: string; at: string; first: string; actual?: string; actualWard?: string; actualBed?: string }[] | null;
}

type View = 'open' | 'resolved' | 'sources' | 'shadow';
const useHis = () => useWords({ zh, en });

// What the hospital's own system says of beds and we did not know; who owns which ward; what the shadow has seen.
export default function DifferencesTab({ pool }: TabProps) {
  const t = useHis();
  const [view, setView] = useState<View>('open');
  return (
    <section className="figures" aria-label={t('title')}>
      <div className="filters">
        <Segmented<View> size="small" value={view} onChange={setView} options={(['open', 'resolved', 'sources', 'shadow'] as const).map((v) => ({ value: v, label: t(`view.${v}`) }))} />
        <span className="quiet small">{t(`says.${view}`)}</span>
      </div>
      {view === 'sources' ? <SourceList pool={pool.id} /> : view === 'shadow' ? <ShadowView pool={pool.id} /> : <List key={view} pool={pool.id} state={view} />}
    </section>
  );
}

const states = ['free', 'held', 'occupied', 'cleaning', 'closed', 'confirmed', 'waiting', 'left', 'taken-in', 'moved', 'discharged'];

function List({ pool, state }: { pool: string; state: 'open' | 'resolved' }) {
  const t = useHis();
  const say = useName();
  const [at, setAt] = useState<string>();
  const list = useQuery({ queryKey: ['beds', 'differences', pool, state], queryFn: ({ signal }) => get<Differences>(`/api/beds/differences${query({ pool, state })}`, signal), refetchInterval: 30_000 });
  if (list.error && !list.data) return <ErrorState error={list.error} onRetry={() => void list.refetch()} />;
  if (!list.data) return <Loading rows={12} />;
  const rows = list.data.differences ?? [];
  if (rows.length === 0) return <EmptyState title={t(state === 'open' ? 'none' : 'noneResolved')} hint={t('noneHint')} />;
  const word = (code: string) => (states.includes(code) ? t(`state.${code}`) : code);
  return (
    <div className="list-scroll" tabIndex={0} role="region" aria-label={t('title')}>
      <table className="plain">
        <thead><tr><th scope="col">{t('what')}</th><th scope="col">{t('bed')}</th><th scope="col">{t('patient')}</th><th scope="col">{t('had')}</th><th scope="col">{t('said')}</th><th scope="col">{t('since')}</th><th scope="col" /></tr></thead>
        <tbody>
          {rows.map((d) => (
            <Fragment key={d.id}>
              <tr>
                <td><b>{say(d.kindName)}</b>{d.times > 1 && <span className="quiet small"> {t('times', { n: d.times })}</span>}</td>
                <td>{d.named ? <code>{d.named}</code> : <>{d.wardName} <b>{d.bedName}</b></>}</td>
                <td>{d.name ?? (d.kind === 'occupied-unknown' ? t('unknown') : <span className="quiet">{t('notYours')}</span>)}{d.task && d.line && <Link className="small" to={`/lines/${d.line}/cases/${d.task.replace('Task/', '')}`}> {t('case')}</Link>}</td>
                <td>{word(d.had)}</td>
                <td>{word(d.said)}</td>
                <td className="num">{timeOf(d.since)}</td>
                <td className="right">{d.resolved
                  ? <span className="quiet small">{timeOf(d.resolved)} {d.how === 'message' ? t('byMessage') : say(list.data.ways[d.how ?? ''])}{d.note && `：${d.note}`}</span>
                  : list.data.may && <Button size="small" aria-expanded={at === d.id} aria-label={`${t('resolve')}: ${say(d.kindName)} ${d.bedName ?? d.named ?? ''}`} onClick={() => setAt(at === d.id ? undefined : d.id)}>{t('resolve')}</Button>}</td>
              </tr>
              {at === d.id && <tr><td colSpan={7} className="set-row"><Resolve difference={d} ways={list.data.ways} onDone={() => setAt(undefined)} /></td></tr>}
            </Fragment>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Resolve({ difference: d, ways, onDone }: { difference: Difference; ways: Record<string, Name>; onDone: () => void }) {
  const t = useHis();
  const say = useName();
  const client = useQueryClient();
  const { message } = App.useApp();
  const [how, setHow] = useState('his');
  const [note, setNote] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const save = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await post('/api/beds/differences', { id: d.id, how, note });
      void message.success(t('resolved'));
      onDone();
      await client.invalidateQueries({ queryKey: ['beds', 'differences'] });
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="set-shift" aria-label={t('resolve')} onSubmit={(e) => {
      e.preventDefault();
      void save();
    }}>
      <span className="choices" role="group" aria-label={t('how')}>
        {['his', 'corrected', 'applied'].map((w) => <Button key={w} type={w === how ? 'primary' : 'default'} aria-pressed={w === how} onClick={() => setHow(w)}>{say(ways[w])}</Button>)}
      </span>
      <Input value={note} onChange={(e) => setNote(e.target.value)} maxLength={160} required={how !== 'his'} aria-label={t('note')} placeholder={t('note')} style={{ width: 300 }} />
      <Button type="primary" htmlType="submit" loading={busy} disabled={how !== 'his' && !note.trim()}>{t('save')}</Button>
      <Button onClick={onDone}>{t('cancel')}</Button>
      {error !== undefined && <ErrorState error={error} compact act />}
    </form>
  );
}

function SourceList({ pool }: { pool: string }) {
  const t = useHis();
  const [at, setAt] = useState<string>();
  const list = useQuery({ queryKey: ['beds', 'sources', pool], queryFn: ({ signal }) => get<Sources>(`/api/beds/sources${query({ pool })}`, signal), refetchInterval: 60_000 });
  if (list.error && !list.data) return <ErrorState error={list.error} onRetry={() => void list.refetch()} />;
  if (!list.data) return <Loading rows={10} />;
  const wards = list.data.wards ?? [];
  const senders = list.data.senders ?? [];
  if (wards.length === 0) return <EmptyState title={t('noWards')} hint={t('noWardsHint')} />;
  return (
    <div className="list-scroll" tabIndex={0} role="region" aria-label={t('view.sources')}>
      <ul className="refusals" aria-label={t('senders')} style={{ padding: '4px 10px', margin: 0, listStyle: 'none' }}>
        {senders.length === 0 ? <li className="quiet">{t('noSender')}</li> : senders.map((s) => (
          <li key={s.name} style={{ display: 'block' }}><b>{s.name}</b> <span className={s.last ? 'quiet' : 'late-word'}>{s.last ? t('last', { at: timeOf(s.last) }) : t('never')}</span> <span className="num">{t('today', { ok: s.today.AA ?? 0, no: (s.today.AE ?? 0) + (s.today.AR ?? 0) })}</span>
            {Object.entries(s.refused ?? {}).map(([why, n]) => <code key={why} className="small"> {why} × {n}</code>)}</li>
        ))}
      </ul>
      <table className="plain">
        <thead><tr><th scope="col">{t('ward')}</th><th scope="col">{t('owner')}</th><th scope="col">{t('shadow')}</th><th scope="col">{t('why')}</th><th scope="col" /></tr></thead>
        <tbody>
          {wards.map((w) => (
            <Fragment key={w.ward}>
              <tr>
                <td><b>{w.name}</b></td><td>{t(`owner.${w.owner}`)}</td><td>{w.shadow ? <b className="soon-word">{t('inShadow')}</b> : <span className="quiet">{t('binding')}</span>}</td>
                <td className="quiet small">{w.since ? `${timeOf(w.since)} ${w.reason ?? ''}` : t('byDefault')}</td>
                <td className="right">{list.data.may && <Button size="small" aria-expanded={at === w.ward} aria-label={`${t('change')}: ${w.name}`} onClick={() => setAt(at === w.ward ? undefined : w.ward)}>{t('change')}</Button>}</td>
              </tr>
              {at === w.ward && <tr><td colSpan={5} className="set-row"><Change source={w} onDone={() => setAt(undefined)} /></td></tr>}
            </Fragment>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Change({ source, onDone }: { source: Source; onDone: () => void }) {
  const t = useHis();
  const client = useQueryClient();
  const { message } = App.useApp();
  const [owner, setOwner] = useState(source.owner);
  const [shadow, setShadow] = useState(source.shadow);
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const save = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await post('/api/beds/sources', { ward: source.ward, owner, shadow, reason });
      void message.success(t('changed', { ward: source.name }));
      onDone();
      await client.invalidateQueries({ queryKey: ['beds', 'sources'] });
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="set-shift" aria-label={`${t('change')}: ${source.name}`} onSubmit={(e) => {
      e.preventDefault();
      void save();
    }}>
      <span className="choices" role="group" aria-label={t('owner')}>
        {(['his', 'hub'] as const).map((o) => <Button key={o} type={o === owner ? 'primary' : 'default'} aria-pressed={o === owner} onClick={() => setOwner(o)}>{t(`owner.${o}`)}</Button>)}
      </span>
      <span><Switch size="small" checked={shadow} onChange={setShadow} aria-label={t('shadow')} /> {t('shadowSays')}</span>
      <Input value={reason} onChange={(e) => setReason(e.target.value)} maxLength={160} required aria-label={t('why')} placeholder={t('why')} style={{ width: 240 }} />
      <Button type="primary" htmlType="submit" loading={busy} disabled={!reason.trim()}>{t('save')}</Button>
      <Button onClick={onDone}>{t('cancel')}</Button>
      {error !== undefined && <ErrorState error={error} compact act />}
    </form>
  );
}

function ShadowView({ pool }: { pool: string }) {
  const t = useHis();
  const lang = useLang();
  const list = useQuery({ queryKey: ['beds', 'shadow', pool], queryFn: ({ signal }) => get<Shadow>(`/api/beds/shadow${query({ pool, days: 30 })}`, signal), refetchInterval: 60_000 });
  if (list.error && !list.data) return <ErrorState error={list.error} onRetry={() => void list.refetch()} />;
  if (!list.data) return <Loading rows={10} />;
  const s = list.data;
  const rows = s.rows ?? [];
  if (s.cases + s.open === 0 && rows.length === 0) return <EmptyState title={t('noShadow')} hint={t('noShadowHint')} />;
  const of = (n: number) => (s.cases ? percent(n / s.cases) : '–');
  return (
    <div className="list-scroll" tabIndex={0} role="region" aria-label={t('view.shadow')}>
      <dl className="sums">
        <div><dt>{t('cases')}</dt><dd className="num">{s.cases}</dd></div>
        <div><dt>{t('sameWard')}</dt><dd className="num">{of(s.sameWard)}</dd></div>
        <div><dt>{t('sameBed')}</dt><dd className="num">{of(s.sameBed)}</dd></div>
        <div><dt>{t('sooner50')}</dt><dd className="num">{s.cases ? hours(s.soonerHoursP50) : '–'}</dd></div>
        <div><dt>{t('sooner90')}</dt><dd className="num">{s.cases ? hours(s.soonerHoursP90) : '–'}</dd></div>
        <div><dt>{t('stillOpen')}</dt><dd className="num">{s.open}</dd></div>
      </dl>
      <table className="plain">
        <thead><tr><th scope="col">{t('patient')}</th><th scope="col">{t('proposed')}</th><th scope="col">{t('happened')}</th><th scope="col">{t('reasonWords')}</th></tr></thead>
        <tbody>
          {rows.map((r) => (
            <tr key={r.id}>
              <td>{r.name ?? <span className="quiet">{t('notYours')}</span>}{r.task && r.line && <Link className="small" to={`/lines/${r.line}/cases/${r.task.replace('Task/', '')}`}> {t('case')}</Link>}</td>
              <td>{r.ward} <b>{r.bed}</b> <span className="quiet small num">{timeOf(r.first)}</span></td>
              <td>{r.actual ? <>{r.actualWard} <b>{r.actualBed}</b> <span className="quiet small num">{timeOf(r.actual)}</span>{r.actualWard === r.ward && r.actualBed === r.bed && <span className="done-word small"> {t('agreed')}</span>}</> : <span className="quiet">{t('notYet')}</span>}</td>
              <td className="quiet small">{lang === 'zh' ? r.zh : r.en}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
