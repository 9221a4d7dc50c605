import { useQueryClient } from '@tanstack/react-query';
import { App, Button, Input, Modal } from 'antd';
import { useState } from 'react';
import { useSearchParams } from 'react-router';
import { post } from '../fhir/client';
import { useSubscription, useSubscriptions } from '../fhir/queries';
import type { Subscription } from '../fhir/types';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { timeOf } from '../words/time';
import { useName, useWords } from '../words/words';
import en from './en.json';
import zh from './zh.json';

const marks: Record<string, string> = { active: 'mark-done', requested: 'mark-open', error: 'mark-late', off: 'mark-closed' };
type Words = (key: string, values?: Record<string, string | number>) => string;

// what went wrong comes in the server's English; here it is said in the reader's language.
export function whyOf(t: Words, text: string): string {
  const answered = /^answered (\d+)/.exec(text);
  if (answered) return t('sub.why.answered', { status: answered[1]! });
  const dropped = /^(\d+) dropped: (.*)$/s.exec(text);
  if (dropped) return t('sub.why.dropped', { n: dropped[1]!, why: dropped[2]! });
  const known = ([
    ['no answer in time', 'timeout'], ['connection refused', 'refused'], ['no such host', 'host'], ['certificate', 'certificate'], ['account of this subscription', 'account'],
    ['stopped by the operator', 'stopped'], ['the time that the client named', 'ended'], ['not on the operator', 'list'], ['switched off here', 'list'], ['is not allowed', 'address'],
  ] as const).find(([part]) => text.includes(part));
  return known ? t(`sub.why.${known[1]}`) : text;
}

export default function Subscriptions() {
  const t = useWords({ zh, en }) as Words;
  const [url, setUrl] = useSearchParams();
  const [find, setFind] = useState('');
  const all = useSubscriptions();
  const at = url.get('at') ?? '';
  const show = (id: string) => setUrl((b) => {
    const n = new URLSearchParams(b);
    if (id) n.set('at', id);
    else n.delete('at');
    return n;
  }, { replace: true });
  const q = find.trim().toLowerCase();
  const list = all.data ?? [];
  const rows = list.filter((s) => !q || [s.org.display, s.account, s.criteria, s.topic?.zh, s.topic?.en, s.to, s.reason].some((w) => w?.toLowerCase().includes(q)));
  const bad = list.filter((s) => s.status === 'error').length;
  return (
    <section className="sheet subs" aria-label={t('subs')}>
      <div className="sheet-head">
        <h1>{t('subs')}</h1>
        <span className="quiet num">{all.data ? list.length : ''}</span>
        {bad > 0 && <b className="late-word">{t('sub.failing', { n: bad })}</b>}
        <Input.Search size="small" allowClear placeholder={t('sub.find')} aria-label={t('sub.find')} value={find} onChange={(e) => setFind(e.target.value)} style={{ maxWidth: 280 }} />
        <span className="grow" />
        <span className="quiet small not-phone">{t('sub.says')}</span>
      </div>
      {all.error && !all.data ? <ErrorState error={all.error} onRetry={() => void all.refetch()} />
        : all.isLoading ? <Loading rows={14} />
        : list.length === 0 ? <EmptyState title={t('sub.empty')} hint={t('sub.emptyHint')} />
        : (
          <div className={at ? 'subs-body subs-open' : 'subs-body'}>
            <div className="subs-list">
              <table className="plain" aria-label={t('subs')}>
                <thead><tr>
                  <th scope="col">{t('state')}</th><th scope="col">{t('sub.who')}</th><th scope="col">{t('sub.what')}</th><th scope="col" className="only-wide">{t('sub.to')}</th>
                  <th scope="col">{t('sub.delivered')}</th><th scope="col" className="right">{t('sub.waiting')}</th><th scope="col" className="right">{t('sub.dead')}</th>
                </tr></thead>
                <tbody>{rows.map((s) => <Row key={s.id} s={s} here={s.id === at} onOpen={() => show(s.id === at ? '' : s.id)} />)}</tbody>
              </table>
              {rows.length === 0 && <p className="quiet pad">{t('sub.none')}</p>}
            </div>
            {at && <Detail key={at} id={at} onClose={() => show('')} />}
          </div>
        )}
    </section>
  );
}

function Row({ s, here, onOpen }: { s: Subscription; here: boolean; onOpen: () => void }) {
  const t = useWords({ zh, en }) as Words;
  const say = useName();
  return (
    <tr aria-current={here || undefined} className={s.status === 'off' ? 'row-over' : s.status === 'error' ? 'row-late' : ''} onClick={onOpen}>
      <td className="nowrap"><span className={`mark ${marks[s.status] ?? 'mark-closed'}`}>{t(`sub.${s.status}`)}</span></td>
      <td><button type="button" className="row-open" aria-expanded={here} onClick={(e) => {
        e.stopPropagation();
        onOpen();
      }}>{s.org.display || t('sub.hub')}</button> <span className="quiet small nowrap">{s.account}</span></td>
      <td><span className="sub-what">{say(s.topic) || s.criteria}</span>{s.topic && s.criteria.includes('?') && <div className="quiet small sub-what">{s.criteria}</div>}</td>
      <td className="only-wide"><span className="sub-to small" title={s.to}>{s.channel === 'websocket' ? 'WebSocket' : s.to}</span></td>
      <td className="nowrap num">{s.delivered ? timeOf(s.delivered) : <span className="quiet">—</span>}</td>
      <td className="right num">{s.waiting || <span className="quiet">0</span>}</td>
      <td className="right num">{s.dead ? <b className="late-word">{s.dead}</b> : <span className="quiet">0</span>}</td>
    </tr>
  );
}

type Asking = 'stop' | 'drop' | null;

function Detail({ id, onClose }: { id: string; onClose: () => void }) {
  const t = useWords({ zh, en }) as Words;
  const say = useName();
  const client = useQueryClient();
  const { message } = App.useApp();
  const one = useSubscription(id);
  const [asking, setAsking] = useState<Asking>(null);
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const s = one.data;

  async function act(what: 'stop' | 'start' | 'resend' | 'drop') {
    setBusy(true);
    try {
      const said = await post<{ count: number }>(`/api/admin/subscriptions/${id}/${what}`, { reason: reason.trim() });
      void message.success(t(`sub.done.${what}`, { n: said?.count ?? 0 }));
      setAsking(null);
      setReason('');
      await Promise.all([client.invalidateQueries({ queryKey: ['subscriptions'] }), client.invalidateQueries({ queryKey: ['subscription', id] })]);
    } catch (e) {
      void message.error((e as Error).message);
    }
    setBusy(false);
  }

  if (one.error && !s) return <aside className="subs-one"><ErrorState error={one.error} onRetry={() => void one.refetch()} /></aside>;
  if (!s) return <aside className="subs-one"><Loading rows={10} /></aside>;
  const fact = (label: string, value?: React.ReactNode) => value ? <div><dt>{t(label)}</dt><dd>{value}</dd></div> : null;
  return (
    <aside className="subs-one" aria-label={t('sub.detail')}>
      <div className="subs-title">
        <h2>{s.org.display || t('sub.hub')}</h2>
        <span className={`mark ${marks[s.status] ?? 'mark-closed'}`}>{t(`sub.${s.status}`)}</span>
        <span className="grow" />
        <Button size="small" type="text" onClick={onClose}>{t('close')}</Button>
      </div>
      {s.error && <p className="sub-error" role="status"><b>{whyOf(t, s.error)}</b>{s.attempts > 0 && s.next ? ` ${t('sub.again', { n: s.attempts, at: timeOf(s.next) })}` : ''}</p>}
      <div className="actions">
        {s.dead > 0 && s.status !== 'off' && <Button type="primary" loading={busy} onClick={() => void act('resend')}>{t('sub.resend', { n: s.dead })}</Button>}
        {(s.status === 'off' || s.status === 'error') && <Button type={s.status === 'off' || !s.dead ? 'primary' : 'default'} loading={busy} onClick={() => void act('start')}>{t('sub.start')}</Button>}
        {s.status !== 'off' && <Button disabled={busy} onClick={() => setAsking('stop')}>{t('sub.stop')}</Button>}
        {s.dead > 0 && <Button danger disabled={busy} onClick={() => setAsking('drop')}>{t('sub.drop', { n: s.dead })}</Button>}
      </div>
      <dl className="facts">
        {fact('sub.what', say(s.topic) || s.criteria)}
        {fact('sub.filter', s.topic && s.criteria.includes('?') ? s.criteria : '')}
        {fact('sub.to', s.channel === 'websocket' ? 'WebSocket' : s.to)}
        {fact('sub.content', t(`sub.content.${s.content}`))}
        {fact('sub.account', s.account)}
        {fact('sub.reason', s.reason)}
        {fact('sub.since', timeOf(s.created))}
        {fact('sub.delivered', s.delivered ? timeOf(s.delivered) : t('sub.never'))}
        {fact('sub.counts', t('sub.countsAre', { last: s.last, waiting: s.waiting, dead: s.dead }))}
        {fact('sub.missed', s.missed > 0 ? <b className="late-word">{t('sub.missedAre', { n: s.missed })}</b> : '')}
      </dl>
      <h3>{t('sub.troubles')}</h3>
      {(s.troubles ?? []).length === 0 ? <p className="quiet">{t('sub.noTroubles')}</p> : (
        <ol className="bare sub-troubles">
          {s.troubles!.map((x) => <li key={x.at}><span className="quiet num">{timeOf(x.at)}</span> {whyOf(t, x.text)}{x.attempt > 0 && <span className="quiet"> · {t('sub.attempt', { n: x.attempt })}</span>}</li>)}
        </ol>
      )}
      <h3>{t('sub.events')}</h3>
      {(s.events ?? []).length === 0 ? <p className="quiet">{t('sub.noEvents')}</p> : (
        <table className="plain sub-events" aria-label={t('sub.events')}>
          <thead><tr><th scope="col">{t('number')}</th><th scope="col">{t('sub.type')}</th><th scope="col">{t('time')}</th><th scope="col">{t('state')}</th></tr></thead>
          <tbody>{s.events!.map((e) => (
            <tr key={e.number}><td className="num">{e.number}</td><td>{e.type}</td><td className="num nowrap">{timeOf(e.at)}</td><td className={e.state === 'dead' ? 'late-word' : ''}>{t(`sub.event.${e.state}`)}</td></tr>
          ))}</tbody>
        </table>
      )}
      <Modal open={!!asking} title={t(asking === 'drop' ? 'sub.drop' : 'sub.stop', { n: s.dead })} okText={t(asking === 'drop' ? 'sub.dropOk' : 'sub.stop')} cancelText={t('cancel')}
        okButtonProps={{ danger: true, disabled: !reason.trim(), loading: busy }} onCancel={() => setAsking(null)} onOk={() => void act(asking!)} destroyOnHidden>
        <p>{t(asking === 'drop' ? 'sub.dropSays' : 'sub.stopSays', { n: s.dead, waiting: s.waiting })}</p>
        <label htmlFor="sub-reason">{t('sub.why')} <span className="required" aria-hidden>*</span></label>
        <Input.TextArea id="sub-reason" rows={2} maxLength={200} value={reason} onChange={(e) => setReason(e.target.value)} />
      </Modal>
    </aside>
  );
}
