import { memo, useCallback, useEffect, useMemo, useRef, useState, type DragEvent, type KeyboardEvent, type MouseEvent } from 'react';
import { useName, type Say } from '../../../web/src/words/words';
import type { Bed } from './api';
import type { RoomView, WardView } from './data';
import { useSay } from './say';
import { abilities, hm, stateOf } from './signs';

// Fit is what is known of a bed for the waiter in hand: '' = it fits, else the code of what speaks against it.
export type Fit = (bed: Bed, room: RoomView['room']) => string | undefined;

export interface GridProps {
  wards: WardView[];
  dense: boolean;
  at?: string;
  proposed?: string; // for the waiter in hand
  fit?: Fit;
  against: (code: string) => string;
  onOpen: (bed: string) => void;
  onDrop?: (bed: string) => void;
  onOver?: (bed: string | undefined) => void;
  onWard?: (ward: string) => void;
}

const bedOf = (e: { target: EventTarget | null }) => (e.target as HTMLElement | null)?.closest<HTMLElement>('[data-bed]')?.dataset.bed;

// Grid is every bed of the wards given. Wards far from the screen keep their place and are drawn when they come near; one
// listener serves all tiles.
export function Grid({ wards, dense, at, proposed, fit, against, onOpen, onDrop, onOver, onWard }: GridProps) {
  const t = useSay();
  const box = useRef<HTMLDivElement>(null);
  const manyCampuses = wards.some((w) => w.ward.campus !== wards[0]!.ward.campus);
  const open = useCallback((e: MouseEvent) => {
    const ward = (e.target as HTMLElement).closest<HTMLElement>('[data-ward-open]')?.dataset.wardOpen;
    if (ward) return onWard?.(ward);
    const bed = bedOf(e);
    if (bed) onOpen(bed);
  }, [onOpen, onWard]);

  const over = useRef<string>(undefined);
  const hover = useCallback((bed: string | undefined) => {
    if (over.current === bed) return;
    over.current = bed;
    onOver?.(bed);
  }, [onOver]);
  const drag = useMemo(() => (onDrop ? {
    onDragOver: (e: DragEvent) => {
      const bed = bedOf(e);
      if (bed) e.preventDefault();
      hover(bed);
    },
    onDragLeave: (e: DragEvent) => {
      if (!box.current?.contains(e.relatedTarget as Node)) hover(undefined);
    },
    onDrop: (e: DragEvent) => {
      const bed = bedOf(e);
      hover(undefined);
      if (!bed) return;
      e.preventDefault();
      onDrop(bed);
    },
  } : {}), [onDrop, hover]);

  const press = useCallback((e: KeyboardEvent) => {
    const tile = (e.target as HTMLElement).closest<HTMLElement>('[data-bed]');
    if (!tile || e.ctrlKey || e.altKey || e.metaKey) return;
    const to = neighbour(box.current!, tile, e.key);
    if (!to) return;
    e.preventDefault();
    to.focus();
    to.scrollIntoView?.({ block: 'nearest' });
  }, []);

  return (
    <div ref={box} className={dense ? 'grid grid-dense' : 'grid'} role="group" aria-label={t('tab.board')} onClick={open} onKeyDown={press} {...drag}>
      {wards.map((w, i) => <Ward key={w.ward.id} view={w} t={t} dense={dense} first={i < 8} fit={fit} against={against} at={at && w.beds.some((b) => b.id === at) ? at : undefined} proposed={proposed && w.beds.some((b) => b.id === proposed) ? proposed : undefined} lead={i === 0} manyCampuses={manyCampuses} />)}
    </div>
  );
}

// neighbour of a tile: left and right in reading order, up and down to the nearest of the next row.
function neighbour(box: HTMLElement, tile: HTMLElement, key: string): HTMLElement | undefined {
  if (!['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End'].includes(key)) return undefined;
  const all = [...box.querySelectorAll<HTMLElement>('[data-bed]')];
  const i = all.indexOf(tile);
  if (key === 'ArrowLeft') return all[i - 1];
  if (key === 'ArrowRight') return all[i + 1];
  if (key === 'Home') return all[0];
  if (key === 'End') return all.at(-1);
  const here = tile.getBoundingClientRect();
  const down = key === 'ArrowDown';
  let best: HTMLElement | undefined;
  let row: number | undefined;
  let near = Infinity;
  for (let j = down ? i + 1 : i - 1; j >= 0 && j < all.length; j += down ? 1 : -1) {
    const r = all[j]!.getBoundingClientRect();
    if (down ? r.top <= here.top + 2 : r.top >= here.top - 2) continue;
    row ??= r.top;
    if (Math.abs(r.top - row) > 2) break;
    const d = Math.abs(r.left - here.left);
    if (d < near) [near, best] = [d, all[j]];
  }
  return best;
}

interface WardProps { view: WardView; t: Say; dense: boolean; first: boolean; fit?: Fit; against: (code: string) => string; at?: string; proposed?: string; lead: boolean; manyCampuses: boolean }

const Ward = memo(function Ward({ view: v, t, dense, first, fit, against, at, proposed, lead, manyCampuses }: WardProps) {
  const say = useName();
  const [near, setNear] = useState(first || typeof IntersectionObserver === 'undefined');
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    if (near || !box.current) return;
    const eye = new IntersectionObserver((seen) => {
      if (seen.some((s) => s.isIntersecting)) setNear(true);
    }, { rootMargin: '900px' });
    eye.observe(box.current);
    return () => eye.disconnect();
  }, [near]);
  const w = v.ward;
  const full = w.capacity ? (w.load ?? 0) / w.capacity : 0;
  const width = dense ? 46 : 78;
  return (
    <section className="ward" ref={box} aria-label={w.name} style={{ containIntrinsicBlockSize: `auto ${Math.max(54, Math.ceil((v.beds.length * width) / 720) * (dense ? 28 : 42) + 8)}px` }}>
      <div className="ward-head">
        <button type="button" className="ward-name" data-ward-open={w.id} title={[w.name, v.campus?.name].filter(Boolean).join(' · ')}>{w.name}</button>
        <span className="ward-count small num"><b className={v.counts.free ? 'ward-free' : 'quiet'}>{t('freeOf', { n: v.counts.free })}</b> <span className="quiet">/ {Object.values(v.counts).reduce((n, c) => n + c, 0)}</span></span>
        {w.stale ? <span className="ward-mark ward-stale" title={t('staleSays')}>{t('stale')}</span>
          : !!w.capacity && <Meter full={full} label={t('nursing', { load: round(w.load ?? 0), of: round(w.capacity) })} />}
        {!w.lends && <span className="ward-mark" title={t('noLendingSays')}>{t('noLending')}</span>}
        {(w.kinds ?? []).map((k) => <span key={k} className="ward-mark" title={t('protected')}>{t(`kind.${k}`)}</span>)}
        {manyCampuses && v.campus && <span className="ward-campus quiet small" title={say(v.campus.name)}>{v.campus.name}</span>}
      </div>
      <div className="ward-beds">
        {near && v.rooms.map((r) => (
          <div key={r.room.id} className={`room room-${r.room.rule}`} role="group" aria-label={t('room', { n: r.room.name, rule: t(`rule.${r.room.rule}`) })}>
            <span className="room-rule" title={t('room', { n: r.room.name, rule: t(`rule.${r.room.rule}`) })} aria-hidden>{t(`rule.${r.room.rule}.sign`)}</span>
            {r.beds.map((b) => {
              const code = fit?.(b, r.room);
              return <Tile key={b.id} bed={b} t={t} dense={dense} here={b.id === at} code={code} why={code ? against(code) : ''} lead={lead && b === v.beds[0]} proposed={b.id === proposed} />;
            })}
          </div>
        ))}
      </div>
    </section>
  );
});

const round = (n: number) => Math.round(n * 10) / 10;

function Meter({ full, label }: { full: number; label: string }) {
  const tone = full >= 1 ? 'meter-over' : full >= 0.85 ? 'meter-near' : '';
  return (
    <span className={`meter ${tone}`} role="img" aria-label={label} title={label}>
      <span style={{ width: `${Math.min(100, Math.round(full * 100))}%` }} />
    </span>
  );
}

interface TileProps { bed: Bed; t: Say; dense: boolean; here: boolean; code?: string; why: string; lead: boolean; proposed: boolean }

const Tile = memo(function Tile({ bed: b, t, dense, here, code, why, lead, proposed }: TileProps) {
  const state = stateOf(b);
  const says = [tileWords(t, b, why, code === ''), proposed ? t('proposedBed') : ''].filter(Boolean).join('；');
  return (
    <button type="button" data-bed={b.id} data-state={b.state} tabIndex={here || lead ? 0 : -1} title={says} aria-current={here || undefined}
      className={`tile tile-${state}${here ? ' tile-here' : ''}${code === '' ? ' tile-fits' : code ? ' tile-bars' : ''}${proposed ? ' tile-proposed' : ''}`}>
      <span className="tile-no">{shortName(b.name)}</span>
      <span className="tile-sign">{t(`sign.${state}`)}</span>
      {!dense && <span className="tile-who">{second(t, b)}</span>}
    </button>
  );
}, (a, b) => a.bed === b.bed && a.here === b.here && a.code === b.code && a.why === b.why && a.dense === b.dense && a.lead === b.lead && a.proposed === b.proposed && a.t === b.t);

// A ward calls its beds by number; the word 床 is on every door and needs no room here.
export const shortName = (name: string) => name.replace(/\s*(床|号床)$/, '').replace(/^bed\s*/i, '');

// second line of a tile: who lies there or is to come and when, or what the bed can do.
function second(t: Say, b: Bed): string {
  const who = b.occupant?.name ?? '';
  if (b.state === 'held') return [who, hm(b.frozen ? b.expected : b.until)].filter(Boolean).join(' ');
  if (b.state === 'occupied' || b.state === 'lent') return b.until && (b.likely ?? 1) >= 0.5 ? `${who} ${t('leavesShort')}`.trim() : who;
  if (b.state === 'cleaning') return hm(b.until);
  if (b.state === 'free') return abilities(t, b).map((a) => a.sign).join('');
  return '';
}

function tileWords(t: Say, b: Bed, why: string, fits: boolean): string {
  const able = abilities(t, b).map((a) => a.word).join('、');
  const o = b.occupant;
  return [
    t('bedIs', { bed: b.name, state: t(`state.${stateOf(b)}`) }), able,
    o && [o.name, o.sex && t(`sex.${o.sex}`), o.age !== undefined && t('age', { n: o.age })].filter(Boolean).join(' '),
    b.state === 'lent' && o?.homeName ? t('homeIs', { home: o.homeName }) : '',
    b.state === 'held' && b.expected ? t('expectedAt', { at: hm(b.expected) }) : '',
    b.state === 'held' && b.until && !b.frozen ? t('holdUntil', { at: hm(b.until) }) : '',
    (b.state === 'occupied' || b.state === 'lent') && b.until ? t('leavesAt', { at: hm(b.until) }) : '',
    b.reason, fits ? t('fits') : why && t('bars', { why }),
  ].filter(Boolean).join('；');
}
