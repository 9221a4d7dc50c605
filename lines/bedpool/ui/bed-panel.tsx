import CloseOutlined from '@ant-design/icons/es/icons/CloseOutlined';
import { useQueryClient } from '@tanstack/react-query';
import { App, Button, Input } from 'antd';
import { useRef, useState } from 'react';
import { Link } from 'react-router';
import { idOf, newKey } from '../../../web/src/fhir/client';
import { useCase, useLines } from '../../../web/src/fhir/queries';
import type { Case } from '../../../web/src/fhir/types';
import { Actions } from '../../../web/src/line/action';
import { StateMark } from '../../../web/src/line/marks';
import { ErrorState, Loading } from '../../../web/src/states/states';
import { timeOf, useNow } from '../../../web/src/words/time';
import type { BedState } from './api';
import { placeOf, type RoomView, type WardView } from './data';
import type { Bed } from './api';
import { useAfterStep } from './live';
import { useSay } from './say';
import { abilities, shortTime, stateOf } from './signs';
import { caseAt, setBedState, takeIn } from './steps';

interface Props { pool: string; at: { ward: WardView; room: RoomView; bed: Bed }; onClose: () => void; picking?: boolean }

// BedPanel is one bed: what it can do, who has it, and what may be done now.
export function BedPanel({ pool, at, onClose, picking }: Props) {
  const t = useSay();
  const now = useNow();
  const { bed: b, room, ward } = at;
  const o = b.occupant;
  const able = abilities(t, b);
  return (
    <section className="bed-panel" aria-label={placeOf(at)}>
      <header className="bed-head">
        <h2>{placeOf(at)}</h2>
        <span className={`mark mark-bed sign-${stateOf(b)}`}>{t(`state.${stateOf(b)}`)}</span>
        <span className="grow" />
        <Button type="text" size="small" icon={<CloseOutlined />} aria-label={t('close')} title={`${t('close')} (Esc)`} onClick={onClose} />
      </header>
      <dl className="facts bed-facts">
        <div><dt>{t('roomIs')}</dt><dd>{room.room.name} · {t(`rule.${room.room.rule}`)}</dd></div>
        {able.length > 0 && <div><dt>{t('able')}</dt><dd>{able.map((a) => a.word).join('、')}</dd></div>}
        {ward.campus && <div><dt>{t('campus')}</dt><dd>{ward.campus.name}</dd></div>}
        {o?.name && <div><dt>{b.state === 'held' ? t('heldForWho') : t('patient')}</dt><dd><b>{o.name}</b> {[o.sex && t(`sex.${o.sex}`), o.age !== undefined && t('age', { n: o.age })].filter(Boolean).join(' ')}</dd></div>}
        {!o?.name && ['held', 'occupied', 'lent'].includes(b.state) && <div><dt>{t('patient')}</dt><dd className="quiet">{t('notYours')}</dd></div>}
        {(o?.homeName || o?.team) && <div><dt>{t('home')}</dt><dd>{[o.homeName, o.team].filter(Boolean).join(' · ')}</dd></div>}
        {o?.since && <div><dt>{t('since')}</dt><dd className="num">{timeOf(o.since)}</dd></div>}
        {b.state === 'held' && b.expected && <div><dt>{t('expected')}</dt><dd className="num">{timeOf(b.expected)}</dd></div>}
        {b.state === 'held' && (b.frozen ? <div><dt>{t('until')}</dt><dd>{t('frozen')}</dd></div> : b.until && <div><dt>{t('until')}</dt><dd className="num">{timeOf(b.until)}</dd></div>)}
        {(b.state === 'occupied' || b.state === 'lent') && b.until && <div><dt>{t('leaves')}</dt><dd className="num">{timeOf(b.until)}{b.likely !== undefined && ` · ${t('likely', { n: Math.round(b.likely * 100) })}`}</dd></div>}
        {b.state === 'cleaning' && b.until && <div><dt>{t('cleanBy')}</dt><dd className="num">{shortTime(b.until, now)}</dd></div>}
        {b.reason && <div><dt>{t('reason')}</dt><dd>{b.reason}</dd></div>}
      </dl>
      <StateActs pool={pool} bed={b} />
      {b.state === 'free' && !picking && <p className="quiet small">{t('pickWaiter')}</p>}
      {o?.task && <CaseActs slug={o.line || 'bedpool'} task={o.task} />}
    </section>
  );
}

// CaseActs offers what the server allows now with the case that has the bed.
export function CaseActs({ slug, task }: { slug: string; task: string }) {
  const t = useSay();
  const data = useCase(slug, idOf(task));
  if (data.error && !data.data) return <ErrorState error={data.error} compact onRetry={() => void data.refetch()} />;
  if (!data.data) return <Loading rows={2} />;
  return (
    <div className="bed-case">
      <p className="waiter-line small"><StateMark name={data.data.row.stateName} kind={data.data.row.stateKind} late={data.data.row.late} /> <span className="waiter-why">{data.data.row.what}</span> <span className="grow" /> <Link className="nowrap" to={caseAt({ task, line: slug })}>{t('openCase')}</Link></p>
      <Actions slug={slug} data={{ ...data.data, open: data.data.open?.filter((s) => s.do !== 'bind-bed') }} />
      {slug === 'referral' && <TakeIn data={data.data} />}
    </div>
  );
}

// TakeIn begins the stay of a referred patient who is here or on the way: the bed that is held becomes his.
function TakeIn({ data }: { data: Case }) {
  const t = useSay();
  const { message } = App.useApp();
  const lines = useLines();
  const client = useQueryClient();
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<unknown>(null);
  const key = useRef(newKey());
  const may = lines.data?.find((l) => l.slug === 'bedpool')?.start?.some((s) => s.flow === 'stay');
  if (!may || !['arrived', 'in-transit'].includes(data.row.state)) return null;
  async function go() {
    setBusy(true);
    setRefused(null);
    try {
      await takeIn(data.row.task, key.current);
      void message.success(t('takenIn'));
      void client.invalidateQueries();
    } catch (e) {
      key.current = newKey();
      setRefused(e);
    } finally {
      setBusy(false);
    }
  }
  return (
    <div className="bed-acts">
      <Button type="primary" size="small" loading={busy} onClick={() => void go()}>{t('takeIn')}</Button> <span className="quiet small">{t('takeInSays')}</span>
      {refused !== null && <ErrorState error={refused} compact act />}
    </div>
  );
}

const acts: Partial<Record<BedState, [BedState, string, boolean][]>> = {
  cleaning: [['free', 'cleaned', false], ['closed', 'shut', true]],
  free: [['closed', 'shut', true]],
  closed: [['free', 'reopen', false]],
};

// StateActs is what people do with a bed that nobody has: cleaned, closed for a reason, opened again.
export function StateActs({ pool, bed }: { pool: string; bed: Bed }) {
  const t = useSay();
  const { message } = App.useApp();
  const after = useAfterStep(pool);
  const [asks, setAsks] = useState<BedState>();
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState('');
  const [refused, setRefused] = useState<unknown>(null);
  const key = useRef(newKey());
  const all = acts[bed.state] ?? [];
  if (!all.length) return null;
  async function go(state: BedState, said: string) {
    setBusy(state);
    setRefused(null);
    try {
      await setBedState(bed.id, state, said, key.current);
      setAsks(undefined);
      void message.success(t('stateDone', { bed: bed.name, state: t(`state.${state}`) }));
    } catch (e) {
      setRefused(e);
    } finally {
      key.current = newKey();
      setBusy('');
      after();
    }
  }
  return (
    <div className="bed-acts">
      {asks ? (
        <form onSubmit={(e) => {
          e.preventDefault();
          if (reason.trim()) void go(asks, reason.trim());
        }}>
          <label className="assign-field">{t('reason')} <Input size="small" autoFocus value={reason} onChange={(e) => setReason(e.target.value)} placeholder={t('shutReason')} aria-required /></label>
          <div className="actions"><Button size="small" type="primary" htmlType="submit" loading={!!busy} disabled={!reason.trim()}>{t('shut')}</Button><Button size="small" onClick={() => setAsks(undefined)}>{t('cancel')}</Button></div>
        </form>
      ) : (
        <div className="actions">{all.map(([to, word, why]) => <Button key={word} size="small" type={word === 'cleaned' ? 'primary' : 'default'} loading={busy === to && !why} onClick={() => (why ? setAsks(to) : void go(to, ''))}>{t(word)}</Button>)}</div>
      )}
      {refused !== null && <ErrorState error={refused} compact act />}
    </div>
  );
}

