import { Button, Checkbox, Input, Segmented, Select } from 'antd';
import { Fragment, useState } from 'react';
import { Link, useSearchParams } from 'react-router';
import { idOf, query } from '../fhir/client';
import { useAudit, useAuditGroups, useAuditWhy, type AuditAsk } from '../fhir/queries';
import type { AuditEntry, AuditGroup } from '../fhir/types';
import { useReasonWords } from '../patient/reasons';
import { PatientSearch } from '../shell/search';
import { useWho } from '../shell/who';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { clockOf, timeOf } from '../words/time';
import { useMarks, useName, useWords, type Say } from '../words/words';
import en from './en.json';
import zh from './zh.json';

const actions = ['R', 'C', 'U', 'D', 'E', 'reveal', 'login', 'audit-export'];
const purposes = ['TREAT', 'ETREAT', 'BTG', 'CAREMGT', 'HOPERAT', 'HQUALIMP', 'RECORDMGT', 'HPAYMT', 'PUBHLTH', 'PATRQT'];
const names = ['patient', 'user', 'org', 'from', 'until', 'action', 'purpose', 'marked'] as const;

export default function Audit() {
  const t = useWords({ zh, en });
  const me = useWho();
  const [url, setUrl] = useSearchParams();
  const [patientName, setPatientName] = useState('');
  const ask: AuditAsk = Object.fromEntries(names.map((k) => [k, url.get(k) ?? '']));
  const single = url.get('view') === 'single';
  const set = (k: string, v: string) => setUrl((b) => {
    const n = new URLSearchParams(b);
    if (v) n.set(k, v);
    else n.delete(k);
    return n;
  }, { replace: true });
  const pick = (reference: string, name = '') => {
    setPatientName(name);
    set('patient', reference);
  };
  const period = ask.from && ask.until;
  return (
    <section className="sheet scroll" aria-label={t('audit')}>
      <div className="sheet-head"><h1>{t('audit')}</h1><span className="quiet not-phone">{t('auditSub')}</span></div>
      <div className="filters">
        {ask.patient ? (
          <span className="picked">{t('patient')} <b>{patientName || idOf(ask.patient)}</b> <Button size="small" type="link" onClick={() => pick('')}>{t('clear')}</Button>
            <Link to={`/audit/copy/${idOf(ask.patient)}`}>{t('copyFor')}</Link></span>
        ) : me?.role.role === 'auditor'
          ? <Input.Search size="small" allowClear placeholder={t('patientNumber')} aria-label={t('patientNumber')} onSearch={(v) => pick(v.trim())} style={{ width: 170 }} />
          : <PatientSearch global={false} onPick={(p) => pick(p.reference, p.name)} />}
        <Input.Search key={ask.user} size="small" allowClear placeholder={t('user')} aria-label={t('user')} defaultValue={ask.user} onSearch={(v) => set('user', v.trim())} style={{ width: 130 }} />
        <Select size="small" allowClear placeholder={t('anyAction')} aria-label={t('action')} value={ask.action || undefined} onChange={(v?: string) => set('action', v ?? '')} style={{ minWidth: 110 }}
          options={actions.map((a) => ({ value: a, label: t(`action.${a}`) }))} />
        <Select size="small" allowClear placeholder={t('anyPurpose')} aria-label={t('purpose')} value={ask.purpose || undefined} onChange={(v?: string) => set('purpose', v ?? '')} style={{ minWidth: 110 }}
          options={purposes.map((p) => ({ value: p, label: t(`purpose.${p}`) }))} />
        <Input size="small" type="date" aria-label={t('fromDate')} title={t('fromDate')} value={ask.from} onChange={(e) => set('from', e.target.value)} style={{ width: 130 }} />
        <Input size="small" type="date" aria-label={t('untilDate')} title={t('untilDate')} value={ask.until} onChange={(e) => set('until', e.target.value)} style={{ width: 130 }} />
        <Checkbox checked={!!ask.marked} onChange={(e) => set('marked', e.target.checked ? '1' : '')}>{t('markedOnly')}</Checkbox>
        {ask.org && <span className="picked">{t('where')} <b>{ask.org}</b> <Button size="small" type="link" onClick={() => set('org', '')}>{t('clear')}</Button></span>}
        <Segmented size="small" value={single ? 'single' : 'groups'} onChange={(v) => set('view', v === 'single' ? 'single' : '')}
          options={[{ value: 'groups', label: t('viewGroups') }, { value: 'single', label: t('viewSingle') }]} />
        {period
          ? <span className="not-phone">{t('export')} <a href={`/api/audit/export${query({ ...ask, format: 'csv' })}`} download>CSV</a> · <a href={`/api/audit/export${query({ ...ask, format: 'jsonl' })}`} download>{t('signedFile')}</a></span>
          : <span className="quiet small not-phone">{t('exportNeedsPeriod')}</span>}
      </div>
      {single ? <Singles ask={ask} onPatient={pick} /> : <Groups ask={ask} onPatient={pick} onOrg={(o) => set('org', o)} />}
    </section>
  );
}

const who = (t: Say, of: { name?: string; user?: string; role?: string }) => (of.role === 'system' ? '' : of.name || of.user) || t('theSystem');

// brief leaves of a long made number its end, by which two can be told apart; the whole stands in the title.
const brief = (ref: string) => ref.replace(/\/[0-9a-f]{8}-[0-9a-f-]{19}([0-9a-f]{8,})$/, '/…$1').slice(0, 60);

type OnPatient = (reference: string, name?: string) => void;

function Groups({ ask, onPatient, onOrg }: { ask: AuditAsk; onPatient: OnPatient; onOrg: (reference: string) => void }) {
  const t = useWords({ zh, en });
  const log = useAuditGroups(ask);
  const [open, setOpen] = useState('');
  const rows = log.data?.pages.flatMap((p) => p.groups ?? []) ?? [];
  if (log.error && !log.data) return <ErrorState error={log.error} onRetry={() => void log.refetch()} />;
  if (log.isLoading) return <Loading rows={14} />;
  if (rows.length === 0) return <EmptyState title={t('auditEmpty')} hint={t('auditEmptyHint')} />;
  return (
    <>
      <table className="plain audit" aria-label={t('audit')}>
        <thead><tr>{['hour', 'user', 'where', 'times', 'what', 'patient', 'purpose', 'remote'].map((k) => <th key={k} scope="col">{t(k)}</th>)}</tr></thead>
        <tbody>{rows.map((g) => {
          const key = `${g.from} ${g.user} ${g.role} ${g.org?.reference} ${g.client ?? ''}`;
          return (
            <Fragment key={key}>
              <Group group={g} open={open === key} onOpen={() => setOpen(open === key ? '' : key)} onPatient={onPatient} onOrg={onOrg} />
              {open === key && <tr><td colSpan={8}><Singles ask={{ ...ask, user: g.user, org: g.org?.reference, from: g.from, until: g.until }} onPatient={onPatient} inside /></td></tr>}
            </Fragment>
          );
        })}</tbody>
      </table>
      {log.hasNextPage && <div className="more"><Button size="small" loading={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>{t('more')}</Button></div>}
    </>
  );
}

function Group({ group: g, open, onOpen, onPatient, onOrg }: { group: AuditGroup; open: boolean; onOpen: () => void; onPatient: OnPatient; onOrg: (reference: string) => void }) {
  const t = useWords({ zh, en });
  const marks = useMarks();
  const say = useName();
  const reason = useReasonWords();
  return (
    <tr>
      <td className="nowrap num">{timeOf(g.from)}</td>
      <td><b>{who(t, g)}</b> <span className="quiet small">{say(g.roleName) || g.role}{g.client ? ` · ${g.client}` : ''}</span></td>
      <td><button type="button" className="row-plain" onClick={() => onOrg(g.org?.reference ?? '')}>{g.org?.display || g.org?.reference}</button></td>
      <td className="nowrap"><button type="button" className="row-open num" aria-expanded={open} onClick={onOpen}>{t('timesN', { n: g.count })} {open ? '▾' : '▸'}</button></td>
      <td>{(g.acts ?? []).slice(0, 4).map((a) => `${say(a.name)}${a.count > 1 ? ` ×${a.count}` : ''}`).join(marks.list)}{g.refused > 0 && <b className="late-word"> {t('refusedN', { n: g.refused })}</b>}</td>
      <td><Patients list={g.patients ?? []} others={g.others} onPatient={onPatient} /></td>
      <td>{(g.purposes ?? []).map((p) => say(p)).join(marks.list)}{g.marked && <b className="late-word"> {t('reasonGiven')}{g.reasons?.length ? `${marks.colon}${g.reasons.map(reason).join(marks.list)}` : ''}</b>}</td>
      <td className="quiet small num">{(g.remotes ?? []).join(' ')}</td>
    </tr>
  );
}

function Patients({ list, others = 0, onPatient }: { list: { reference: string; name?: string }[]; others?: number; onPatient: OnPatient }) {
  const marks = useMarks();
  return (
    <>
      {list.slice(0, 3).map((p, i) => (
        <span key={p.reference}>{i > 0 && marks.list}<button type="button" className="row-open" onClick={() => onPatient(p.reference, p.name)}>{p.name || idOf(p.reference)}</button></span>
      ))}
      {list.length + others > 3 && <span className="quiet"> +{list.length + others - 3}</span>}
    </>
  );
}

function Singles({ ask, onPatient, inside }: { ask: AuditAsk; onPatient: OnPatient; inside?: boolean }) {
  const t = useWords({ zh, en });
  const log = useAudit(ask);
  const rows = log.data?.pages.flatMap((p) => p.entries ?? []) ?? [];
  if (log.error && !log.data) return <ErrorState error={log.error} onRetry={() => void log.refetch()} compact={inside} />;
  if (log.isLoading) return <Loading rows={inside ? 3 : 14} />;
  if (rows.length === 0) return <EmptyState title={t('auditEmpty')} hint={t('auditEmptyHint')} />;
  return (
    <>
      <table className="plain audit" aria-label={t(inside ? 'singles' : 'audit')}>
        <thead><tr>{['time', 'user', 'where', 'action', 'patient', 'what', 'purpose', 'outcome', 'remote'].map((k) => <th key={k} scope="col">{t(k)}</th>)}</tr></thead>
        <tbody>{rows.map((r) => <Entry key={r.seq} entry={r} inside={inside} onPatient={onPatient} />)}</tbody>
      </table>
      {log.hasNextPage && <div className="more"><Button size="small" loading={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>{t('more')}</Button></div>}
    </>
  );
}

function Entry({ entry: r, inside, onPatient }: { entry: AuditEntry; inside?: boolean; onPatient: OnPatient }) {
  const t = useWords({ zh, en });
  const say = useName();
  const reason = useReasonWords();
  const me = useWho();
  const [why, setWhy] = useState(false);
  const word = (kind: string, v = '') => (t(`${kind}.${v}`) === `${kind}.${v}` ? v : t(`${kind}.${v}`));
  // a case opens in its line, for whoever may open cases
  const opens = me?.role.role !== 'auditor' && r.target?.startsWith('Task/') ? /^step:([a-z]+)\//.exec(r.what ?? '')?.[1] : undefined;
  const bad = r.outcome && !/^(ok|success|allowed|0)$/.test(r.outcome);
  return (
    <>
      <tr>
        <td className="nowrap num">{inside ? clockOf(r.at) : timeOf(r.at)}</td>
        <td><b>{who(t, r)}</b> <span className="quiet small">{say(r.roleName) || word('role', r.role)}{r.client ? ` · ${r.client}` : ''}</span></td>
        <td>{r.org?.display ?? r.org?.reference}</td>
        <td>{word('action', r.action)}</td>
        <td><Patients list={r.patients ?? []} onPatient={onPatient} /></td>
        <td>{say(r.whatName) || r.what} {r.target && /[\w]\/[\w]/.test(r.target) && (opens
          ? <Link className="small" title={r.target} to={`/lines/${opens}/cases/${idOf(r.target)}`}>{brief(r.target)}</Link> : <span className="quiet small" title={r.target}>{brief(r.target)}</span>)}</td>
        <td>{say(r.purposeName)}{r.reason && <b className="late-word"> {reason(r.reason)}</b>}
          {(r.patients?.length ?? 0) > 0 && <button type="button" className="row-why" aria-expanded={why} onClick={() => setWhy(!why)}>{t('whyAllowed')}</button>}</td>
        <td>{bad ? <b className="late-word">{word('outcome', r.outcome)}</b> : word('outcome', r.outcome)}</td>
        <td className="quiet small num" title={r.request}>{r.remote}</td>
      </tr>
      {why && <tr><td colSpan={9}><Why seq={r.seq} /></td></tr>}
    </>
  );
}

// Why lists the relations that let somebody see the patient at that moment.
function Why({ seq }: { seq: number }) {
  const t = useWords({ zh, en });
  const say = useName();
  const why = useAuditWhy(seq);
  if (why.error) return <ErrorState error={why.error} compact />;
  if (why.isLoading) return <Loading rows={2} />;
  const ways = why.data?.ways ?? [];
  if (ways.length === 0) return <p className="quiet">{t('whyNone')}</p>;
  return (
    <ul className="plain-list">
      {ways.map((w) => (
        <li key={`${w.party} ${w.source} ${w.patient}`}>
          <b>{say(w.basisName)}</b> {w.partyName || w.party} <span className="quiet small">{w.source}{w.from ? ` · ${timeOf(w.from)}` : ''}{w.until ? ` – ${timeOf(w.until)}` : w.from ? ' –' : ''}</span>
        </li>
      ))}
    </ul>
  );
}
