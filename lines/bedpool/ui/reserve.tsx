import { Button, Select } from 'antd';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { newKey, Refusal } from '../../../web/src/fhir/client';
import { ErrorState } from '../../../web/src/states/states';
import { localInput } from '../../../web/src/words/time';
import type { Waiter } from './api';
import { useSay } from './say';
import { reservePlace } from './steps';
import { Who } from './waiters';

interface Props { w: Waiter; now: number; groups: string[]; levels: string[]; onDone: (day: string) => void; onClose: () => void }

// Reserve keeps a place of a day for him: of a group of wards, a level and a sex. The bed is chosen that morning.
export function Reserve({ w, now, groups, levels, onDone, onClose }: Props) {
  const t = useSay();
  const today = localInput(new Date(now)).slice(0, 10);
  const [date, setDate] = useState(() => localInput(new Date(Math.max(now + 86_400_000, w.promised ? Date.parse(w.promised) : 0))).slice(0, 10));
  const [group, setGroup] = useState('');
  const [level, setLevel] = useState<string>(w.needs.level ?? 'general');
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<unknown>(null);
  const key = useRef(newKey());
  const box = useRef<HTMLFormElement>(null);
  useEffect(() => box.current?.querySelector('input')?.focus(), []);
  async function go(e: FormEvent) {
    e.preventDefault();
    if (!date || busy) return;
    setBusy(true);
    setRefused(null);
    try {
      await reservePlace(w, { date, group, level, sex: w.needs.sex }, key.current);
      onDone(date);
    } catch (error) {
      key.current = newKey();
      setRefused(error);
    } finally {
      setBusy(false);
    }
  }
  return (
    <form className="assign" ref={box} onSubmit={go} aria-label={t('reserve')} onKeyDown={(e) => {
      if (e.key !== 'Escape') return;
      e.stopPropagation();
      onClose();
    }}>
      <p className="assign-what"><b>{t('reserve')}</b> <Who w={w} /></p>
      <label className="assign-field">{t('reserveDay')} <input className="plain-input num" type="date" required min={today} value={date} onChange={(e) => setDate(e.target.value)} /></label>
      <div className="assign-field">{t('group')} <Select size="small" aria-label={t('group')} value={group} popupMatchSelectWidth={false} onChange={setGroup}
        options={[{ value: '', label: w.needs.specialtyName ? t('groupOf', { dept: w.needs.specialtyName }) : t('groupOwn') }, ...groups.map((g) => ({ value: g, label: t(`group.${g}`).replace(/^group\./, '') }))]} />
      </div>
      <div className="assign-field">{t('level')} <Select size="small" aria-label={t('level')} value={level} popupMatchSelectWidth={false} onChange={setLevel} options={[...new Set([level, ...levels])].map((l) => ({ value: l, label: t(`level.${l}`) }))} /></div>
      {refused instanceof Refusal && refused.code === 'taken' ? <p className="assign-hard" role="alert">{t('noPlace', { day: date })}</p> : refused !== null && <ErrorState error={refused} compact act />}
      <div className="actions">
        <Button className="assign-go" type="primary" htmlType="submit" size="small" loading={busy} disabled={!date}>{t('reserve')}</Button>
        <Button size="small" onClick={onClose}>{t('cancel')}</Button>
        <span className="quiet small">{t('reserveSays')}</span>
      </div>
    </form>
  );
}
