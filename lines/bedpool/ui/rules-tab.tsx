import { useQuery, useQueryClient } from '@tanstack/react-query';
import { App, Button, Input, Radio } from 'antd';
import { useRef, useState, type FormEvent } from 'react';
import { call, get, newKey, query } from '../../../web/src/fhir/client';
import { EmptyState, ErrorState, Loading } from '../../../web/src/states/states';
import { fromInput, localInput, timeOf, useNow } from '../../../web/src/words/time';
import { useLang, useName, useWords } from '../../../web/src/words/words';
import { useBoard } from './live';
import type { TabProps } from './page';
import { RuleForm } from './rule-form';
import { daily, inWords, type Edit, type Rule, type RuleList } from './rules';
import en from './rules.en.json';
import zh from './rules.zh.json';
import { useSay } from './say';
import './figures.css';

const key = (pool: string) => ['beds', 'rules', pool];
const put = (body: unknown, idempotency: string) => call<unknown>('/api/beds/rules', { method: 'PUT', body, headers: { 'Idempotency-Key': idempotency } });

// asData are the rules that have no form of their own.
const asData = (code: string) => code === 'shifts' || !daily.includes(code);

// What the hospital has decided about its beds: in force, planned, by whom and why; changed here by who may.
export default function RulesTab({ pool }: TabProps) {
  const t = useWords({ zh, en });
  const list = useQuery({ queryKey: key(pool.id), queryFn: ({ signal }) => get<RuleList>(`/api/beds/rules${query({ pool: pool.id })}`, signal) });
  const [open, setOpen] = useState('');
  if (list.error && !list.data) return <ErrorState error={list.error} onRetry={() => void list.refetch()} />;
  if (!list.data) return <Loading rows={14} />;
  const rules = list.data.rules ?? [];
  if (!rules.length) return <EmptyState title={t('noRules')} />;
  const of = daily.flatMap((code) => rules.find((r) => r.code === code) ?? []);
  const rest = rules.filter((r) => !daily.includes(r.code));
  const head = (title: string, says?: string) => <tr className="group-row"><th scope="rowgroup" colSpan={4}>{title} {says && <span className="quiet small">{says}</span>}</th></tr>;
  const row = (r: Rule) => <Row key={r.code} r={r} pool={pool.id} open={open === r.code} onOpen={(on) => setOpen(on ? r.code : '')} />;
  return (
    <section className="figures" aria-label={t('rules')}>
      <div className="filters"><span className="quiet small">{t('says')}{!list.data.mine && ` ${t('readOnly')}`}</span></div>
      <div className="list-scroll" tabIndex={0} role="region" aria-label={t('rules')}>
        <table className="plain rules">
          <thead><tr><th scope="col">{t('rule')}</th><th scope="col">{t('value')}</th><th scope="col">{t('whose')}</th><th scope="col"><span className="sr">{t('edit')}</span></th></tr></thead>
          <tbody>{head(t('daily'))}{of.map(row)}{rest.length > 0 && head(t('others'), t('othersSays'))}{rest.map(row)}</tbody>
        </table>
      </div>
    </section>
  );
}

function Row({ r, pool, open, onOpen }: { r: Rule; pool: string; open: boolean; onOpen: (on: boolean) => void }) {
  const t = useWords({ zh, en });
  const board = useSay();
  const say = useName();
  const { message } = App.useApp();
  const client = useQueryClient();
  const chinese = useLang() === 'zh';
  const [past, setPast] = useState(false);
  const words = (v: unknown) => inWords(r.code, v, t, board, chinese);
  const history = r.history ?? [];
  async function withdraw(e: Edit) {
    try {
      await put({ code: r.code, value: r.value, reason: t('withdrawReason'), from: e.from }, newKey());
      void message.success(t('withdrawn'));
    } catch (error) {
      void message.error((error as Error).message);
    } finally {
      void client.invalidateQueries({ queryKey: key(pool) });
    }
  }
  return (
    <>
      <tr className={open ? 'row-mine' : undefined}>
        <td className="rule-name"><b>{say(r)}</b></td>
        <td className="rule-value">{words(r.value)}
          {(r.planned ?? []).filter((e) => JSON.stringify(e.value) !== JSON.stringify(r.value)).map((e) => (
            <div key={e.at} className="soon-word small">{t('planned', { at: timeOf(e.from), value: words(e.value) })} {r.mine && <Button size="small" type="link" onClick={() => void withdraw(e)}>{t('withdraw')}</Button>}</div>
          ))}
        </td>
        <td className="small">
          {r.own ? <><span className="ward-mark">{t('own')}</span> {t('ownSince', { name: history[0]?.name || history[0]?.by || '', at: timeOf(history[0]?.from) })}</>
            : <><span className="ward-mark">{t('default')}</span> <span className={r.verified ? '' : 'soon-word'} title={r.source}>{t(r.verified ? 'verified' : 'unverified')}</span></>}
          {history.length > 0 && <> <Button size="small" type="link" aria-expanded={past} onClick={() => setPast(!past)}>{t('history', { n: history.length })}</Button></>}
          {past && <ul className="bare" aria-label={t('historyHead')}>{history.map((e) => <li key={e.at}><span className="num">{timeOf(e.from)}</span> {e.name || e.by}：{words(e.value)} <span className="quiet">{e.reason}</span></li>)}</ul>}
        </td>
        <td className="right nowrap">{r.mine && !open && <Button size="small" aria-label={`${t('edit')} ${say(r)}`} onClick={() => onOpen(true)}>{t('edit')}</Button>}</td>
      </tr>
      {open && <tr><td colSpan={4}><Change r={r} pool={pool} onClose={() => onOpen(false)} /></td></tr>}
    </>
  );
}

function Change({ r, pool, onClose }: { r: Rule; pool: string; onClose: () => void }) {
  const t = useWords({ zh, en });
  const say = useName();
  const { message } = App.useApp();
  const client = useQueryClient();
  const board = useBoard(pool);
  const now = useNow();
  const data = asData(r.code);
  const [value, setValue] = useState<unknown>(data ? JSON.stringify(r.value, null, 2) : r.value);
  const [later, setLater] = useState(false);
  const [from, setFrom] = useState(() => localInput(new Date(now + 86_400_000)).replace(/T.*/, 'T00:00'));
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<unknown>(null);
  const [bad, setBad] = useState(false);
  const idempotency = useRef(newKey());
  const wards = (board.data?.wards ?? []).flatMap((w) => (w.ward.org ? [{ id: w.ward.org, name: w.ward.name }] : []));
  async function go(e: FormEvent) {
    e.preventDefault();
    if (!reason.trim() || busy) return;
    let meant = value;
    if (data)
      try {
        meant = JSON.parse(value as string) as unknown;
      } catch {
        return setBad(true);
      }
    setBad(false);
    setBusy(true);
    setRefused(null);
    try {
      await put({ code: r.code, value: meant, reason: reason.trim(), ...(later ? { from: fromInput(from) } : {}) }, idempotency.current);
      void message.success(later ? t('savedLater', { rule: say(r), at: timeOf(fromInput(from)) }) : t('saved', { rule: say(r) }), 6);
      void client.invalidateQueries({ queryKey: ['beds'] });
      onClose();
    } catch (error) {
      idempotency.current = newKey();
      setRefused(error);
    } finally {
      setBusy(false);
    }
  }
  return (
    <form className="rule-form" aria-label={say(r)} onSubmit={go}>
      <div className="rule-fields"><RuleForm code={r.code} value={value} set={setValue} wards={wards} /></div>
      {bad && <p className="late-word small" role="alert">{t('badJson')}</p>}
      <div className="rule-field">{t('from')} <Radio.Group size="small" value={later} onChange={(e) => setLater(e.target.value as boolean)} options={[{ value: false, label: t('fromNow') }, { value: true, label: t('fromLater') }]} />
        {later && <input className="plain-input num" type="datetime-local" aria-label={t('from')} value={from} onChange={(e) => setFrom(e.target.value)} />}</div>
      <label className="rule-field">{t('reason')} <Input size="small" value={reason} maxLength={160} aria-required placeholder={t('reasonSays')} onChange={(e) => setReason(e.target.value)} /></label>
      {refused !== null && <ErrorState error={refused} compact act />}
      <div className="actions">
        <Button size="small" type="primary" htmlType="submit" loading={busy} disabled={!reason.trim()}>{t('save')}</Button>
        <Button size="small" onClick={onClose}>{t('cancel')}</Button>
        {r.own && r.default !== undefined && <Button size="small" type="link" onClick={() => setValue(data ? JSON.stringify(r.default, null, 2) : r.default)}>{t('toDefault')}</Button>}
      </div>
    </form>
  );
}
