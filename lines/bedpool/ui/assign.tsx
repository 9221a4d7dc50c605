import { Button, Checkbox, Input } from 'antd';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { newKey, Refusal } from '../../../web/src/fhir/client';
import { ErrorState } from '../../../web/src/states/states';
import { localInput } from '../../../web/src/words/time';
import { useName, type Say } from '../../../web/src/words/words';
import type { Waiter } from './api';
import { placeOf, type WardView, type RoomView } from './data';
import type { Bed, Holds } from './api';
import { useSay } from './say';
import { StateSign, stateOf } from './signs';
import { holdBed, useWhy } from './steps';
import { Who } from './waiters';

// who may set a limit aside; sex, isolation, level and equipment are nobody's.
const sets = ['nursing', 'stale', 'protected', 'limit', 'lending', 'campus'];

interface Props { w: Waiter; at: { ward: WardView; room: RoomView; bed: Bed }; ahead: number; holds?: Holds; onDone: (bed: string) => void; onClose: () => void; onLost: () => void }

// graceWords says 1h30m as people do.
export function graceWords(t: Say, span = '1h'): string {
  const [, h = '', m = ''] = /^(?:(\d+)h)?(?:(\d+)m)?/.exec(span) ?? [];
  return [h && Number(h) ? t('nHours', { n: h }) : '', m && Number(m) ? t('nMinutes', { n: m }) : ''].filter(Boolean).join(' ') || t('nMinutes', { n: 0 });
}

// Assign says what holding this bed for him will do, what speaks against it, and does it.
export function Assign({ w, at, ahead, holds, onDone, onClose, onLost }: Props) {
  const t = useSay();
  const say = useName();
  const why = useWhy(at.bed.id, w.task);
  const [expected, setExpected] = useState(() => localInput(new Date(Math.max(w.promised ? Date.parse(w.promised) : 0, Date.now() + ahead + 3_600_000))));
  const [override, setOverride] = useState<string[]>([]);
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<unknown>(null);
  const box = useRef<HTMLFormElement>(null);
  const key = useRef(newKey());
  const bind = !!w.booking; // a place reserved for a day becomes this bed
  const early = bind && !w.booking?.due;
  const soon = (holds?.soon ?? ['emergency', 'urgent']).includes(w.needs.urgency);
  const taken = at.bed.state === 'held' && !at.bed.frozen && at.bed.occupant?.task !== w.task;
  const take = taken && !bind && w.needs.urgency === 'emergency';
  const against = (why.data?.objections ?? []).filter((o) => !(take && o.code === 'taken'));
  const hard = against.filter((o) => !o.override);
  const open = against.filter((o) => o.override);
  const needsReason = take || open.length > 0;
  const ready = !early && !hard.length && open.every((o) => override.includes(o.code)) && (!needsReason || !!reason.trim()) && !why.isLoading;
  useEffect(() => {
    if (!why.isLoading) box.current?.querySelector<HTMLElement>('.assign-go')?.focus({ preventScroll: true });
  }, [why.isLoading]);

  async function go(e: FormEvent) {
    e.preventDefault();
    if (!ready || busy) return;
    setBusy(true);
    setRefused(null);
    try {
      await holdBed(w, { bed: at.bed.id, bedName: placeOf(at), expected, override, reason, take, bind }, key.current);
      onDone(at.bed.id);
    } catch (error) {
      key.current = newKey();
      setRefused(error);
      if (error instanceof Refusal && (error.status === 409 || error.status === 412)) onLost();
    } finally {
      setBusy(false);
    }
  }
  return (
    <form className="assign" ref={box} onSubmit={go} aria-label={t('assign')} onKeyDown={(e) => {
      if (e.key !== 'Escape') return;
      e.stopPropagation();
      onClose();
    }}>
      <p className="assign-what"><Who w={w} /> <span className="arrow" role="img" aria-label={t('to')}>→</span> <b>{placeOf(at)}</b> <StateSign state={stateOf(at.bed)} /></p>
      {early && <p className="assign-soft" role="status">{t('placeEarly', { day: (w.booking?.from ?? '').slice(0, 10) })}</p>}
      {why.error ? <p className="quiet small">{t('whyFailed')}</p> : null}
      {hard.map((o) => <p key={o.code} className="assign-hard" role="alert">{o.code === 'taken' ? <b>{at.bed.occupant?.name ? t('lostTo', { who: at.bed.occupant.name }) : t('lost')}</b> : <><b>{t(sets.includes(o.code) ? `only.${o.code}` : 'never')}</b> {say(o)}</>}</p>)}
      {open.map((o) => hard.length > 0 ? <p key={o.code} className="assign-soft">{say(o)}</p> : (
        <p key={o.code} className="assign-soft">
          <Checkbox checked={override.includes(o.code)} onChange={(e) => setOverride((b) => (e.target.checked ? [...b, o.code] : b.filter((x) => x !== o.code)))}>{t('override')}：{say(o)}</Checkbox>
        </p>
      ))}
      {take && <p className="assign-soft">{t('takes', { who: at.bed.occupant?.name || t('another') })}</p>}
      {!hard.length && !against.length && (why.data?.terms ?? []).length > 0 && <p className="quiet small">{(why.data!.terms ?? []).slice(0, 4).map(say).join('；')}</p>}
      {!hard.length && !take && !bind && (
        <label className="assign-field">{t('expected')} <input className="plain-input num" type="datetime-local" value={expected} onChange={(e) => setExpected(e.target.value)} /></label>
      )}
      {!hard.length && needsReason && (
        <label className="assign-field">{t('reason')} <Input size="small" value={reason} onChange={(e) => setReason(e.target.value)} placeholder={t('reasonSays')} aria-required /></label>
      )}
      {refused !== null && <ErrorState error={refused} compact act />}
      <div className="actions">
        {!hard.length && !early && <Button className="assign-go" type="primary" htmlType="submit" size="small" loading={busy} disabled={!ready}>{take ? t('take') : bind ? t('bind') : t('hold')}</Button>}
        <Button size="small" className={hard.length ? 'assign-go' : ''} onClick={onClose}>{hard.length ? t('another-bed') : t('cancel')}</Button>
        {!hard.length && !take && !early && !needsReason && <span className="quiet small">{bind ? t('bindSays') : soon ? t('holdSaysUrgent', { grace: graceWords(t, holds?.grace) }) : t('holdSays', { by: holds?.by ?? '18:00' })}</span>}
      </div>
    </form>
  );
}
