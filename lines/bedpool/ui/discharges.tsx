import { useMemo, useState, type ReactNode } from 'react';
import { EmptyState, ErrorState, Loading } from '../../../web/src/states/states';
import { useNow } from '../../../web/src/words/time';
import type { Bed } from './api';
import { BedPanel, StateActs } from './bed-panel';
import { whereIs, type BoardView, type WardView } from './data';
import { useBedsLive, useBoard } from './live';
import type { TabProps } from './page';
import { useSay } from './say';
import { shortTime, StateSign, stateOf } from './signs';

interface Placed { bed: Bed; ward: WardView }

// flows sorts the day's movement: who leaves, who is to come, what is being cleaned; soonest first.
export function flows(v: BoardView, now: number): { leaving: Placed[]; coming: Placed[]; cleaning: Placed[] } {
  const end = new Date(now);
  end.setHours(24, 0, 0, 0);
  const out = { leaving: [] as Placed[], coming: [] as Placed[], cleaning: [] as Placed[] };
  for (const ward of v.wards)
    for (const bed of ward.beds) {
      if ((bed.state === 'occupied' || bed.state === 'lent') && bed.until && Date.parse(bed.until) < end.getTime()) out.leaving.push({ bed, ward });
      if (bed.state === 'held') out.coming.push({ bed, ward });
      if (bed.state === 'cleaning') out.cleaning.push({ bed, ward });
    }
  const when = (p: Placed) => (p.bed.state === 'held' ? p.bed.expected ?? p.bed.until : p.bed.until) ?? '9';
  for (const list of Object.values(out)) list.sort((a, b) => when(a).localeCompare(when(b)));
  return out;
}

// Today's movement: discharges by how likely they are, arrivals expected or under way, beds being cleaned.
export default function DischargesTab({ pool }: TabProps) {
  const t = useSay();
  const board = useBoard(pool.id);
  const now = useNow() + (board.data?.ahead ?? 0);
  useBedsLive(pool.id);
  const [at, setAt] = useState<string>();
  const day = useMemo(() => (board.data ? flows(board.data, now) : null), [board.data, now]);
  if (board.error && !board.data) return <ErrorState error={board.error} onRetry={() => void board.refetch()} />;
  if (!day || !board.data) return <Loading rows={18} />;
  const open = at ? whereIs(board.data, at) : undefined;
  const expects = day.leaving.reduce((n, p) => n + (p.bed.likely ?? 0.5), 0);
  return (
    <section className={open ? 'movement movement-open' : 'movement'} aria-label={t('tab.discharges')}>
      <List title={t('leavingToday', { n: day.leaving.length })} says={t('leavingSays', { n: Math.round(expects) })} none={t('nobodyLeaves')} list={day.leaving} row={({ bed, ward }) => (
        <>
          <span className={`num move-at ${bed.until && Date.parse(bed.until) < now ? 'due-late' : ''}`}>{shortTime(bed.until, now)}</span>
          <Place bed={bed} ward={ward} open={setAt} here={bed.id === at} />
          <span className="move-who">{bed.occupant?.name} {bed.state === 'lent' && <span className="quiet small">{t('homeIs', { home: bed.occupant?.homeName ?? '' })}</span>}</span>
          {bed.likely !== undefined && <span className="likely" title={t('likely', { n: Math.round(bed.likely * 100) })}><span style={{ width: `${Math.round(bed.likely * 100)}%` }} /><i className="num">{Math.round(bed.likely * 100)}%</i></span>}
        </>
      )} />
      <List title={t('coming', { n: day.coming.length })} says={t('comingSays', { n: day.coming.filter((p) => p.bed.frozen).length })} none={t('nobodyComes')} list={day.coming} row={({ bed, ward }) => (
        <>
          <span className={`num move-at ${!bed.frozen && bed.expected && Date.parse(bed.expected) < now ? 'due-late' : ''}`}>{shortTime(bed.expected ?? bed.until, now)}</span>
          <Place bed={bed} ward={ward} open={setAt} here={bed.id === at} />
          <span className="move-who">{bed.occupant?.name}</span>
          <span className="small nowrap">{bed.frozen ? <b className="transit-word">{t('state.transit')}</b> : bed.until && <span className="quiet">{t('holdUntil', { at: shortTime(bed.until, now) })}</span>}</span>
        </>
      )} />
      <List title={t('cleaningN', { n: day.cleaning.length })} says={t('cleaningSays')} none={t('nothingCleans')} list={day.cleaning} row={({ bed, ward }) => (
        <>
          <span className="num move-at">{shortTime(bed.until, now)}</span>
          <Place bed={bed} ward={ward} open={setAt} here={bed.id === at} />
          <span className="grow" />
          <StateActs pool={pool.id} bed={bed} />
        </>
      )} />
      {open && <aside className="sheet movement-side"><BedPanel pool={pool.id} at={open} onClose={() => setAt(undefined)} /></aside>}
    </section>
  );
}

function List({ title, says, none, list, row }: { title: string; says: string; none: string; list: Placed[]; row: (p: Placed) => ReactNode }) {
  return (
    <div className="movement-list">
      <header className="waiters-head"><h2>{title}</h2>{list.length > 0 && <span className="quiet small">{says}</span>}</header>
      {list.length === 0 ? <EmptyState title={none} /> : <ul className="bare movement-rows" tabIndex={0} aria-label={title}>{list.map((p) => <li key={p.bed.id} className="move">{row(p)}</li>)}</ul>}
    </div>
  );
}

function Place({ bed, ward, open, here }: { bed: Bed; ward: WardView; open: (id: string | undefined) => void; here: boolean }) {
  return (
    <button type="button" className="row-plain move-place" aria-expanded={here} onClick={() => open(here ? undefined : bed.id)}><StateSign state={stateOf(bed)} /> {ward.ward.name} <b>{bed.name}</b></button>
  );
}
