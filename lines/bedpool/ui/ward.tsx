import { Select } from 'antd';
import { useMemo, useState } from 'react';
import { useSearchParams } from 'react-router';
import { useWho } from '../../../web/src/shell/who';
import { EmptyState, ErrorState, Loading } from '../../../web/src/states/states';
import { useNow } from '../../../web/src/words/time';
import type { Bed } from './api';
import { BedPanel, StateActs } from './bed-panel';
import { placeOf, whereIs, type BoardView, type WardView } from './data';
import { useBedsLive, useBoard, useNames } from './live';
import type { TabProps } from './page';
import { useSay } from './say';
import { Abilities, shortTime, StateSign, stateOf } from './signs';

// mine finds the ward of the person's own place: the ward itself, or the one of his department.
export const mine = (v: BoardView, org?: string) => v.wards.find((w) => w.ward.id === org || w.ward.org === org);

// elsewhere are the patients of a ward who lie in beds of another.
export const elsewhere = (v: BoardView, w: WardView): Bed[] =>
  v.wards.flatMap((x) => (x === w ? [] : x.beds.filter((b) => (b.state === 'lent' || b.state === 'held') && !!b.occupant?.home && [w.ward.id, w.ward.org].includes(b.occupant.home))));

// named puts the whole name in the place of the masked one, where the caller may read it.
export const named = (b: Bed, names: Record<string, string> | undefined): Bed => {
  const whole = b.occupant?.patient && names?.[b.occupant.patient];
  return whole ? { ...b, occupant: { ...b.occupant, name: whole } } : b;
};

// The ward's own view: who lies here and for whom, who comes, who lies elsewhere; what its nurses do is one click away.
export default function WardTab({ pool }: TabProps) {
  const t = useSay();
  const me = useWho();
  const [url, setUrl] = useSearchParams();
  const board = useBoard(pool.id);
  const now = useNow() + (board.data?.ahead ?? 0);
  useBedsLive(pool.id);
  const [at, setAt] = useState<string>();
  const v = board.data;
  const ward = v && (v.wards.find((w) => w.ward.id === url.get('ward')) ?? mine(v, me?.role?.org?.reference) ?? v.wards[0]);
  const out = useMemo(() => (v && ward ? elsewhere(v, ward) : []), [v, ward]);
  const names = useNames(pool.id, ward?.ward.id, [...(ward?.beds ?? []), ...out].flatMap((b) => b.occupant?.patient ?? []));
  if (board.error && !v) return <ErrorState error={board.error} onRetry={() => void board.refetch()} />;
  if (!v) return <Loading rows={18} />;
  if (!ward) return <EmptyState title={t('noBeds')} hint={t('noBedsHint')} />;
  const found = at ? whereIs(v, at) : undefined;
  const open = found && { ...found, bed: named(found.bed, names) };
  const here = ward.beds.map((b) => named(b, names));
  const lentIn = here.filter((b) => b.state === 'lent');
  const coming = here.filter((b) => b.state === 'held').sort((a, b) => (a.expected ?? a.until ?? '').localeCompare(b.expected ?? b.until ?? ''));
  const w = ward.ward;
  const toggle = (id: string) => setAt((before) => (before === id ? undefined : id));
  return (
    <section className={open ? 'own-ward own-ward-open' : 'own-ward'} aria-label={t('tab.ward')}>
      <div className="own-main">
        <div className="filters">
          <Select showSearch optionFilterProp="label" size="small" className="own-pick" aria-label={t('wardHead')} value={w.id} onChange={(id: string) => setUrl((before) => {
            const next = new URLSearchParams(before);
            next.set('ward', id);
            return next;
          }, { replace: true })} options={v.wards.map((x) => ({ value: x.ward.id, label: x.campus && v.campuses.length > 1 ? `${x.ward.name} · ${x.campus.name}` : x.ward.name }))} popupMatchSelectWidth={false} />
          <span className="small">{t('wardSums', { free: ward.counts.free, all: ward.beds.length, held: ward.counts.held, cleaning: ward.counts.cleaning })}</span>
          {w.stale ? <b className="soon-word small">{t('staleSays')}</b> : !!w.capacity && <span className={`small ${(w.load ?? 0) >= w.capacity ? 'late-word' : 'quiet'}`}>{t('nursing', { load: Math.round((w.load ?? 0) * 10) / 10, of: Math.round(w.capacity * 10) / 10 })}</span>}
          {!w.lends && <span className="ward-mark">{t('noLending')}</span>}
        </div>
        <div className="own-scroll" tabIndex={0} aria-label={w.name} role="region">
          {ward.rooms.map((r) => (
            <section key={r.room.id} className={`own-room room-${r.room.rule}`} aria-label={t('room', { n: r.room.name, rule: t(`rule.${r.room.rule}`) })}>
              <h3 className="own-room-name">{r.room.name} <span className="quiet small">{t(`rule.${r.room.rule}`)}</span></h3>
              <ul className="bare own-beds">
                {r.beds.map((b) => named(b, names)).map((b) => (
                  <li key={b.id} className={`own-bed tile-${stateOf(b)} ${b.id === at ? 'tile-here' : ''}`}>
                    <button type="button" className="own-bed-open" aria-expanded={b.id === at} onClick={() => toggle(b.id)}>
                      <span className="own-bed-line"><b>{b.name}</b> <StateSign state={stateOf(b)} /><span className="sr">{t(`state.${stateOf(b)}`)}</span> <Abilities of={b} /></span>
                      {b.occupant?.name && <span className="own-bed-who">{b.occupant.name} <span className="quiet small">{[b.occupant.sex && t(`sex.${b.occupant.sex}`), b.occupant.age !== undefined && t('age', { n: b.occupant.age })].filter(Boolean).join(' ')}</span></span>}
                      {b.state === 'lent' && b.occupant && <span className="small lent-home">{t('homeIs', { home: [b.occupant?.homeName, b.occupant?.team].filter(Boolean).join(' ') })}</span>}
                      <span className="small quiet num">{b.state === 'held' ? (b.frozen ? t('state.transit') : t('expectedAt', { at: shortTime(b.expected ?? b.until, now) })) : b.until && b.state !== 'free' ? (b.state === 'cleaning' ? t('cleanAt', { at: shortTime(b.until, now) }) : t('leavesAt', { at: shortTime(b.until, now) })) : b.reason ?? ''}</span>
                    </button>
                    {b.state === 'cleaning' && <StateActs pool={pool.id} bed={b} />}
                  </li>
                ))}
              </ul>
            </section>
          ))}
        </div>
      </div>
      <aside className="own-side" aria-label={t('movements')}>
        {open && <BedPanel pool={pool.id} at={open} onClose={() => setAt(undefined)} />}
        <Short title={t('incoming', { n: coming.length })} none={t('nobodyComes')} beds={coming} says={(b) => (b.frozen ? t('state.transit') : t('expectedAt', { at: shortTime(b.expected ?? b.until, now) }))} onOpen={toggle} place={(b) => b.name} />
        <Short title={t('lentIn', { n: lentIn.length })} none={t('noneLentIn')} beds={lentIn} says={(b) => [b.occupant?.homeName, b.occupant?.team].filter(Boolean).join(' ')} onOpen={toggle} place={(b) => b.name} />
        <Short title={t('lentOut', { n: out.length })} none={t('noneLentOut')} beds={out.map((b) => named(b, names))} says={() => ''} onOpen={toggle} place={(b) => placeOf(whereIs(v, b.id))} />
      </aside>
    </section>
  );
}

function Short({ title, none, beds, says, onOpen, place }: { title: string; none: string; beds: Bed[]; says: (b: Bed) => string; onOpen: (id: string) => void; place: (b: Bed) => string }) {
  const t = useSay();
  return (
    <section className="short">
      <h2>{title}</h2>
      {beds.length === 0 ? <p className="quiet small">{none}</p> : (
        <ul className="bare">{beds.map((b) => <li key={b.id}><button type="button" className="row-plain" onClick={() => onOpen(b.id)}><StateSign state={stateOf(b)} /> <b>{place(b)}</b> {b.occupant?.name ?? t('state.' + stateOf(b))} <span className="quiet small">{says(b)}</span></button></li>)}</ul>
      )}
    </section>
  );
}
