import { Segmented } from 'antd';
import { Fragment } from 'react';
import { useSearchParams } from 'react-router';
import { EmptyState, ErrorState, Loading } from '../../../web/src/states/states';
import { useName } from '../../../web/src/words/words';
import type { Leader, LeaderWait, LeaderWard, Stand } from './api';
import { byName, tails } from './data';
import { hours, percent, tenth, useFigureWords, useLeader } from './figures';
import { Bar, Spread, Trend } from './plots';
import type { TabProps } from './page';
import './figures.css';

const add = (all: Stand[]): Stand => all.reduce((n, s) => ({
  beds: n.beds + s.beds, occupied: n.occupied + s.occupied, free: n.free + s.free, held: n.held + s.held, cleaning: n.cleaning + s.cleaning, closed: n.closed + s.closed, lent: n.lent + s.lent,
}), { beds: 0, occupied: 0, free: 0, held: 0, cleaning: 0, closed: 0, lent: 0 });

// share is of the beds that are open; lent ones are among those in use.
export const share = (s: Stand) => (s.beds - s.closed > 0 ? s.occupied / (s.beds - s.closed) : undefined);
const tone = (s?: number) => (s === undefined ? '' : s > 0.95 ? 'share-full' : s > 0.85 ? 'share-near' : '');

export function worst(waits: LeaderWait[]): { n: number; longest: number } {
  return waits.reduce((w, x) => ({ n: w.n + x.waiting, longest: Math.max(w.longest, x.longest ?? 0) }), { n: 0, longest: 0 });
}

// How full the house is, how long people wait, what is lent and what was refused: now, and over a period.
export default function LeaderTab({ pool }: TabProps) {
  const t = useFigureWords();
  const [url, setUrl] = useSearchParams();
  const days = [7, 30, 90].includes(Number(url.get('days'))) ? Number(url.get('days')) : 30;
  const figures = useLeader(pool.id, days);
  return (
    <section className="figures" aria-label={pool.name}>
      <div className="filters">
        <Segmented size="small" aria-label={t('period', { n: days })} value={days} options={[7, 30, 90].map((n) => ({ value: n, label: t('period', { n }) }))} onChange={(n) => setUrl((before) => {
          const next = new URLSearchParams(before);
          next.set('days', String(n));
          return next;
        }, { replace: true })} />
        {figures.data && <span className="quiet small">{figures.data.from} – {figures.data.to}</span>}
      </div>
      {figures.error && !figures.data ? <ErrorState error={figures.error} onRetry={() => void figures.refetch()} />
        : !figures.data ? <Loading rows={14} />
        : !figures.data.wards?.length ? <EmptyState title={t('noFigures')} hint={t('noFiguresHint')} />
        : <Figures of={figures.data} />}
    </section>
  );
}

function Figures({ of }: { of: Leader }) {
  const t = useFigureWords();
  const say = useName();
  const wards = of.wards ?? [];
  const waits = of.waits ?? [];
  const refused = [...(of.refusals ?? [])].sort((a, b) => b.n - a.n);
  const all = add(of.campuses?.length ? of.campuses : wards);
  const short = tails((of.campuses ?? []).map((c) => c.name));
  const queue = worst(waits);
  const most = Math.max(...waits.map((w) => w.p90 ?? 0), 0);
  const days = (of.days ?? []).filter((d) => d.beds > 0).map((d) => ({
    day: d.day, share: d.occupied / d.beds, second: d.lent, says: t('trendSays', { day: d.day, n: tenth(d.occupied), of: d.beds, share: percent(d.occupied / d.beds), lent: tenth(d.lent) }),
  }));
  return (
    <div className="leader" tabIndex={0} role="region" aria-label={t('occupancy')}>
      <dl className="sums">
        <Sum name={t('occupancy')} value={percent(share(all))} says={t('occupancySays', { n: all.occupied, of: all.beds - all.closed })} />
        <Sum name={t('freeNow')} value={all.free} says={t('freeSays', { held: all.held, cleaning: all.cleaning, closed: all.closed })} />
        <Sum name={t('waitingNow')} value={queue.n} says={queue.n ? t('waitingSays', { span: hours(queue.longest) }) : t('nobodyWaits')} />
        <Sum name={t('lentNow')} value={all.lent} says={t('lentSays', { n: Math.round(wards.reduce((n, w) => n + (w.lentDays ?? 0), 0)) })} />
        <Sum name={t('holdsN')} value={of.holds.held} says={t('holdsSays', { lapsed: of.holds.lapsed, displaced: of.holds.displaced, overridden: of.holds.overridden })} />
        <Sum name={t('refusedN')} value={refused.reduce((n, r) => n + r.n, 0)} says={refused[0] ? `${say(refused[0])} ${refused[0].n}` : ''} />
      </dl>
      <div className="leader-wards">
        <h2>{t('byWard')} <span className="quiet small">{t('markSays')}</span></h2>
        <table className="plain">
          <thead>
            <tr><th scope="col">{t('ward')}</th><th scope="col">{t('occupancy')}</th><th scope="col" className="right">{t('mean')}</th><th scope="col" className="right">{t('free')}</th><th scope="col" className="right">{t('lent')}</th><th scope="col" className="right">{t('lentDays')}</th><th scope="col" className="right">{t('refused')}</th></tr>
          </thead>
          <tbody>
            {(of.campuses ?? []).map((c, i) => (
              <Fragment key={c.id}>
                <tr className="group-row"><th scope="rowgroup">{short[i]}</th><Row s={c} refused={0} strong /></tr>
                {wards.filter((w) => w.campus === c.id).sort(byName).map((w) => <WardRow key={w.id} w={w} />)}
              </Fragment>
            ))}
            {wards.filter((w) => !of.campuses?.some((c) => c.id === w.campus)).sort(byName).map((w) => <WardRow key={w.id} w={w} />)}
          </tbody>
        </table>
      </div>
      <div className="leader-side">
        <h2>{t('waits')}</h2>
        <table className="plain">
          <thead><tr><th scope="col">{t('urgency')}</th><th scope="col" className="right">{t('waiting')}</th><th scope="col" className="right">{t('longest')}</th><th scope="col" className="right">{t('served')}</th><th scope="col" className="right">{t('p50')}</th><th scope="col" className="right">{t('p90')}</th><th scope="col"><span className="sr">{t('p90')}</span></th></tr></thead>
          <tbody>
            {waits.map((w) => (
              <tr key={w.urgency}>
                <td>{t(`urgency.${w.urgency}`)}</td><td className="right num">{w.waiting}</td><td className="right num nowrap">{w.waiting ? hours(w.longest) : t('none')}</td>
                <td className="right num">{w.served}</td><td className="right num nowrap">{hours(w.p50) || t('none')}</td><td className="right num nowrap">{hours(w.p90) || t('none')}</td>
                <td className="spread-cell">{w.p50 !== undefined && w.p90 !== undefined && <Spread p50={w.p50} p90={w.p90} most={most} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <h2>{t('trend')}</h2>
        {days.length === 0 ? <p className="quiet small">{t('trendEmpty')}</p> : <Trend days={days} label={t('trend')} />}
        <h2>{t('whyRefused')}</h2>
        {refused.length === 0 ? <p className="quiet small">{t('nothingRefused')}</p> : (
          <ul className="bare refusals">{refused.map((r) => <li key={r.code}><span>{say(r)}</span><Bar share={r.n / refused[0]!.n} tone="share-plain" /><span className="num right">{r.n}</span></li>)}</ul>
        )}
      </div>
    </div>
  );
}

function Sum({ name, value, says }: { name: string; value: string | number; says: string }) {
  return <div><dt>{name}</dt><dd className="num">{value}</dd><dd className="quiet small">{says}</dd></div>;
}

function WardRow({ w }: { w: LeaderWard }) {
  const t = useFigureWords();
  return <tr><td>{w.name}{w.stale && <span className="ward-mark ward-stale">{t('closedToLending')}</span>}</td><Row s={w} lentDays={w.lentDays} refused={w.refused} /></tr>;
}

function Row({ s, lentDays, refused, strong }: { s: Stand; lentDays?: number; refused: number; strong?: boolean }) {
  const now = share(s);
  return (
    <>
      <td><span className="load"><Bar share={now ?? 0} mark={s.mean} tone={tone(now)} /><span className={`num ${now !== undefined && now > 0.95 ? 'late-word' : ''}`}>{strong ? <b>{percent(now)}</b> : percent(now)}</span><span className="quiet small num">{s.occupied}/{s.beds - s.closed}</span></span></td>
      <td className="right num">{percent(s.mean)}</td><td className="right num">{s.free}</td><td className="right num">{s.lent || ''}</td><td className="right num">{lentDays ? Math.round(lentDays) : ''}</td><td className="right num">{refused || ''}</td>
    </>
  );
}
