import { App, Button, InputNumber } from 'antd';
import { useQueryClient } from '@tanstack/react-query';
import { Fragment, useState } from 'react';
import { newKey } from '../../../web/src/fhir/client';
import { EmptyState, ErrorState, Loading } from '../../../web/src/states/states';
import { timeOf } from '../../../web/src/words/time';
import { useName } from '../../../web/src/words/words';
import type { ShiftKind, ShiftWard, Staffing } from './api';
import { tails } from './data';
import { setShift, shiftsKey, tenth, useFigureWords, useShifts, usual } from './figures';
import type { TabProps } from './page';
import './figures.css';

const set = (s?: Staffing) => s?.nurses !== undefined && s.nurses !== null;

// inOrder puts first what asks for a hand: my wards, then those that nobody has set, then by name as it came.
export const inOrder = (wards: ShiftWard[]) => [...wards].sort((a, b) => Number(!!b.mine) - Number(!!a.mine) || Number(set(a.shifts[0])) - Number(set(b.shifts[0])));

// Nurses of each shift: a number, a click and it is said. Without it a ward lends no beds.
export default function ShiftsTab({ pool }: TabProps) {
  const t = useFigureWords();
  const say = useName();
  const list = useShifts(pool.id);
  const [open, setOpen] = useState<string>();
  if (list.error && !list.data) return <ErrorState error={list.error} onRetry={() => void list.refetch()} />;
  if (!list.data) return <Loading rows={14} />;
  const wards = inOrder(list.data.wards ?? []);
  const kinds = list.data.kinds ?? [];
  if (wards.length === 0) return <EmptyState title={t('noWards')} hint={t('noWardsHint')} />;
  const campuses = [...new Set(wards.flatMap((w) => w.campusName ?? []))];
  const short = tails(campuses);
  const columns = wards[0]!.shifts.slice(0, 3);
  const now = kinds.find((k) => k.code === columns[0]?.shift);
  const stale = wards.filter((w) => !set(w.shifts[0])).length;
  const mine = wards.filter((w) => w.mine).length;
  return (
    <section className="figures" aria-label={t('shiftNow', { name: '', from: '', until: '' })}>
      <div className="filters">
        {now && <b>{t('shiftNow', { name: say(now), from: now.from, until: now.until })}</b>}
        {stale > 0 && <b className="soon-word small">{t('staleCount', { n: stale })}</b>}
        <span className="quiet small">{t('shiftSays')}</span>
      </div>
      <div className="list-scroll" tabIndex={0} role="region" aria-label={t('wards')}>
        <table className="plain shifts">
          <thead>
            <tr>
              <th scope="col">{t('ward')}</th><th scope="col" className="right">{t('patients')}</th><th scope="col">{t('load')}</th>
              {columns.map((s) => {
                const k = kinds.find((x) => x.code === s.shift);
                return <th key={s.starts} scope="col">{k ? `${say(k)} ${k.from}–${k.until}` : timeOf(s.starts)}</th>;
              })}
            </tr>
          </thead>
          <tbody>
            {wards.map((w, i) => (
              <Fragment key={w.ward}>
                {mine > 0 && (i === 0 || i === mine) && <tr className="group-row"><th scope="rowgroup" colSpan={3 + columns.length}>{t(i === 0 ? 'myWards' : 'otherWards')}</th></tr>}
                <tr className={w.mine ? 'row-mine' : undefined}>
                  <td><b>{w.name}</b>{w.campusName && <span className="quiet small"> {short[campuses.indexOf(w.campusName)]}</span>}</td>
                  <td className="right num nowrap"><span className="only-phone quiet small">{t('patients')} </span>{w.patients} / {w.beds}</td>
                  <td><Load ward={w} /></td>
                  {w.shifts.slice(0, 3).map((s) => {
                    const id = `${w.ward} ${s.starts}`;
                    return <td key={s.starts}><Cell ward={w} shift={s} kind={kinds.find((k) => k.code === s.shift)} now={s === w.shifts[0]} open={open === id} onOpen={() => setOpen(open === id ? undefined : id)} /></td>;
                  })}
                </tr>
                {w.shifts.slice(0, 3).map((s, k) => open === `${w.ward} ${s.starts}` && (
                  <tr key={s.starts}><td colSpan={3 + columns.length} className="set-row">
                    <Nurses pool={pool.id} ward={w} shift={s} last={lastSaid(w, k)} kind={kinds.find((x) => x.code === s.shift)} onDone={() => setOpen(undefined)} />
                  </td></tr>
                ))}
              </Fragment>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

// lastSaid is the number to begin with: what stands there, else what was said last for this ward.
const lastSaid = (w: ShiftWard, k: number) => w.shifts[k]?.nurses ?? [...w.shifts].reverse().find(set)?.nurses;

function Load({ ward: w }: { ward: ShiftWard }) {
  const t = useFigureWords();
  const of = w.shifts[0]?.points;
  if (!set(w.shifts[0]) || !of) return <span className="num">{t('loadOnly', { load: tenth(w.load) })}</span>;
  const share = w.load / of;
  return (
    <span className="load">
      <span className={`meter ${share > 1 ? 'meter-over' : share > 0.8 ? 'meter-near' : ''}`} aria-hidden><span style={{ width: `${Math.min(share, 1) * 100}%` }} /></span>
      <span className={`num ${share > 1 ? 'late-word' : ''}`}>{t('loadOf', { load: tenth(w.load), of: tenth(of) })}</span>
    </span>
  );
}

function Cell({ ward, shift, kind, now, open, onOpen }: { ward: ShiftWard; shift: Staffing; kind?: ShiftKind; now: boolean; open: boolean; onOpen: () => void }) {
  const t = useFigureWords();
  const say = useName();
  const label = `${t(set(shift) ? 'change' : 'set')}: ${ward.name} ${say(kind)}`;
  return (
    <span className="shift-cell">
      <span className="only-phone quiet small">{say(kind)}</span>
      {set(shift) ? <span><b className="num">{t('nurses', { n: tenth(shift.nurses!) })}</b>{shift.source && <span className="quiet small" title={t('setAt', { who: t(`setBy.${shift.source}`), at: timeOf(shift.at) })}> {t(`setBy.${shift.source}`)}</span>}</span>
        : now ? <span className="ward-mark ward-stale" title={t('notSetHint')}>{t('notSet')} · {t('notSetHint')}</span> : <span className="quiet small">{t('notSet')}</span>}
      {ward.mine && <Button size="small" type={now && !set(shift) && !open ? 'primary' : 'default'} aria-expanded={open} aria-label={label} onClick={onOpen}>{t(set(shift) ? 'change' : 'set')}</Button>}
    </span>
  );
}

function Nurses({ pool, ward, shift, last, kind, onDone }: { pool: string; ward: ShiftWard; shift: Staffing; last?: number; kind?: ShiftKind; onDone: () => void }) {
  const t = useFigureWords();
  const say = useName();
  const client = useQueryClient();
  const { message } = App.useApp();
  const [n, setN] = useState<number | null>(last ?? null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const [key] = useState(newKey);
  const points = kind?.points ?? 0;
  const all = (n ?? 0) * points;
  const left = all - ward.load;
  const save = async () => {
    if (n === null) return;
    setBusy(true);
    setError(undefined);
    try {
      await setShift({ ward: ward.ward, at: shift.starts, nurses: n }, `${key}-${n}`);
      void message.success(t('saved', { ward: ward.name, name: say(kind), n }));
      onDone();
      await client.invalidateQueries({ queryKey: shiftsKey(pool) });
      void client.invalidateQueries({ queryKey: ['beds', 'board'] });
    } catch (e) {
      setError(e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="set-shift" aria-label={t('setTitle', { ward: ward.name, name: say(kind), from: kind?.from ?? '', until: kind?.until ?? '' })} onSubmit={(e) => {
      e.preventDefault();
      void save();
    }}>
      <b id="how-many">{t('howMany')}</b>
      <span className="choices" role="group" aria-labelledby="how-many">
        {usual(last, ward.load, kind).map((c) => <Button key={c} type={c === n ? 'primary' : 'default'} aria-pressed={c === n} onClick={() => setN(c)}>{c}</Button>)}
        <InputNumber min={0} max={200} value={n} aria-label={t('other')} onChange={(v) => setN(v)} style={{ width: 76 }} />
      </span>
      {n !== null && points > 0 && <span className={`small ${left < 0 ? 'late-word' : 'quiet'}`} role="status">{t(left < 0 ? 'bearsOver' : 'bears', { n: tenth(n), points: tenth(points), all: tenth(all), load: tenth(ward.load), left: tenth(left), over: tenth(-left) })}</span>}
      <span className="grow" />
      <Button type="primary" htmlType="submit" loading={busy} disabled={n === null}>{t('save')}</Button>
      <Button onClick={onDone}>{t('cancel')}</Button>
      {error !== undefined && <ErrorState error={error} compact act />}
    </form>
  );
}
