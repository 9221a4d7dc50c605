import { Button } from 'antd';
import { memo, type DragEvent } from 'react';
import { Link } from 'react-router';
import { spanOf, useNow } from '../../../web/src/words/time';
import { useName } from '../../../web/src/words/words';
import type { Proposal, Waiter } from './api';
import { isLate } from './live';
import { useSay } from './say';
import { NeedSigns, shortTime } from './signs';
import { caseAt } from './steps';

export function BedUrgencyMark({ urgency }: { urgency: string }) {
  const t = useSay();
  const look = urgency === 'emergency' ? 'emergency' : urgency === 'urgent' || urgency === 'cancer' ? 'urgent' : 'routine';
  return <span className={`urgency urgency-${look}`}>{t(`urgency.${urgency}`)}</span>;
}

export function Who({ w }: { w: Pick<Waiter, 'patient'> }) {
  const t = useSay();
  const p = w.patient;
  return (
    <span className="nowrap"><b>{p?.name || t('unnamed')}</b> <span className="quiet small">{[p?.sex && t(`sex.${p.sex}`), p?.age !== undefined && p.age >= 0 && t('age', { n: p.age })].filter(Boolean).join(' ')}</span></span>
  );
}

// reasons of a proposal, without the bed, which stands before them.
export const reasons = (p: Proposal) => ({ zh: p.zh.replace(/^建议 [^：]*：/, ''), en: p.en.replace(/^proposed: [^(]*\((.*)\)$/, '$1') });

interface Props {
  w: Waiter; ahead: number; picked: boolean; proposal?: Proposal; place?: string; busy: boolean; may: boolean;
  onReserve?: () => void; onPick: (task: string) => void; onDrag: (task: string | undefined) => void; onAccept: (w: Waiter, p: Proposal) => void; onShow: (bed: string) => void;
}

// WaiterCard is one who waits: three lines at most, to be picked, dragged onto a bed, or given the bed proposed.
export const WaiterCard = memo(function WaiterCard({ w, ahead, picked, proposal: p, place, busy, may, onReserve, onPick, onDrag, onAccept, onShow }: Props) {
  const t = useSay();
  const say = useName();
  const now = useNow() + ahead;
  const late = isLate(w, now);
  const held = w.booking;
  return (
    <li className={['waiter', picked ? 'waiter-at' : '', late ? 'waiter-late' : ''].join(' ')} draggable={may && !held?.thing.startsWith('Location/')} data-task={w.task}
      onDragStart={(e: DragEvent) => {
        e.dataTransfer.setData('text/plain', w.task);
        e.dataTransfer.effectAllowed = 'move';
        onDrag(w.task);
      }} onDragEnd={() => onDrag(undefined)}>
      <button type="button" className="waiter-pick" aria-pressed={picked} onClick={() => onPick(w.task)}>
        <span className="waiter-line">
          <BedUrgencyMark urgency={w.needs.urgency} /> <Who w={w} /> <span className="waiter-dept">{w.needs.specialtyName || w.needs.wardName || w.needs.specialty}</span>
          <span className="grow" />
          <span className="quiet small num nowrap" title={shortTime(w.since, now)}>{t('waits', { t: spanOf(now - Date.parse(w.since)) })}</span>
        </span>
        <span className="waiter-line small">
          <NeedSigns needs={w.needs} />
          <span className="quiet waiter-why">{held ? (held.thing.startsWith('capacity:') ? t('placeFor', { day: (held.from ?? '').slice(5, 10) }) : [t('heldAt', { bed: place || '' }), held.expires ? t('holdUntil', { at: shortTime(held.expires, now) }) : t('frozenShort')].join(' · ')) : [w.from, say(w.reasonName) || (w.reason && t(`why.${w.reason}`).replace(/^why\./, ''))].filter(Boolean).join(' · ')}</span>
          <span className="grow" />
          {w.promised && <span className={`nowrap num ${late ? 'due-late' : ''}`}>{late ? t('promiseLate', { at: shortTime(w.promised, now) }) : t('promised', { at: shortTime(w.promised, now) })}</span>}
        </span>
      </button>
      {(p || picked) && (
        <div className="waiter-line waiter-proposal small">
          {p?.bed ? (
            <>
              <button type="button" className="row-plain waiter-bed" onClick={() => onShow(p.bed!)} title={say({ zh: p.zh, en: p.en })}>→ {place || p.bed}</button>
              <span className="quiet waiter-why" title={say({ zh: p.zh, en: p.en })}>{say(reasons(p))}</span>
              {may && <Button size="small" loading={busy} onClick={() => onAccept(w, p)}>{held ? t('bind') : t('accept')}</Button>}
            </>
          ) : p ? <span className="soon-word">{say({ zh: p.zh, en: p.en })}</span> : null}
          {picked && !held && may && onReserve && (w.needs.urgency === 'elective' || w.needs.urgency === 'cancer') && <Button size="small" onClick={onReserve}>{t('reserve')}</Button>}
          {picked && <Link to={caseAt(w)} className="nowrap">{t('openCase')}</Link>}
        </div>
      )}
    </li>
  );
});
