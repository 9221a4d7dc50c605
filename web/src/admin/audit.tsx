import { Button, Input, Select } from 'antd';
import { useState } from 'react';
import { Link, useSearchParams } from 'react-router';
import { idOf } from '../fhir/client';
import { useAudit } from '../fhir/queries';
import type { AuditEntry } from '../fhir/types';
import { PatientSearch } from '../shell/search';
import { useWho } from '../shell/who';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { timeOf } from '../words/time';
import { useName, useWords } from '../words/words';
import en from './en.json';
import zh from './zh.json';

const actions = ['R', 'C', 'U', 'D', 'E', 'reveal', 'login'];

export default function Audit() {
  const t = useWords({ zh, en });
  const me = useWho();
  const [url, setUrl] = useSearchParams();
  const [patientName, setPatientName] = useState('');
  const ask = { patient: url.get('patient') ?? '', user: url.get('user') ?? '', from: url.get('from') ?? '', until: url.get('until') ?? '', action: url.get('action') ?? '' };
  const log = useAudit(ask);
  const rows = log.data?.pages.flatMap((p) => p.entries ?? []) ?? [];
  const set = (k: string, v: string) => setUrl((b) => {
    const n = new URLSearchParams(b);
    if (v) n.set(k, v);
    else n.delete(k);
    return n;
  }, { replace: true });
  const named = patientName || rows.flatMap((r) => r.patients ?? []).find((p) => p.reference === ask.patient)?.name || ask.patient;
  return (
    <section className="sheet scroll" aria-label={t('audit')}>
      <div className="sheet-head"><h1>{t('audit')}</h1><span className="quiet not-phone">{t('auditSub')}</span></div>
      <div className="filters">
        {ask.patient ? (
          <span className="picked">{t('patient')} <b>{named}</b> <Button size="small" type="link" onClick={() => set('patient', '')}>{t('clear')}</Button></span>
        ) : me?.role.role === 'auditor' ? <span className="quiet">{t('pickInList')}</span> : (
          <PatientSearch global={false} onPick={(p) => {
            setPatientName(p.name);
            set('patient', p.reference);
          }} />
        )}
        <Input.Search key={ask.user} size="small" allowClear placeholder={t('user')} aria-label={t('user')} defaultValue={ask.user} onSearch={(v) => set('user', v.trim())} style={{ width: 150 }} />
        <Select size="small" allowClear placeholder={t('anyAction')} aria-label={t('action')} value={ask.action || undefined} onChange={(v?: string) => set('action', v ?? '')} style={{ minWidth: 120 }}
          options={actions.map((a) => ({ value: a, label: t(`action.${a}`) }))} />
        <Input size="small" type="date" aria-label={t('fromDate')} title={t('fromDate')} value={ask.from} onChange={(e) => set('from', e.target.value)} style={{ width: 140 }} />
        <Input size="small" type="date" aria-label={t('untilDate')} title={t('untilDate')} value={ask.until} onChange={(e) => set('until', e.target.value)} style={{ width: 140 }} />
      </div>
      {log.error && !log.data ? <ErrorState error={log.error} onRetry={() => void log.refetch()} />
        : log.isLoading ? <Loading rows={14} />
        : rows.length === 0 ? <EmptyState title={t('auditEmpty')} hint={t('auditEmptyHint')} />
        : (
          <>
            <table className="plain audit" aria-label={t('audit')}>
              <thead>
                <tr>{['time', 'user', 'where', 'action', 'patient', 'what', 'outcome', 'remote'].map((k) => <th key={k} scope="col">{t(k)}</th>)}</tr>
              </thead>
              <tbody>{rows.map((r) => <Entry key={r.seq} entry={r} onPatient={(p) => {
                setPatientName('');
                set('patient', p);
              }} />)}</tbody>
            </table>
            {log.hasNextPage && <div className="more"><Button size="small" loading={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>{t('more')}</Button></div>}
          </>
        )}
    </section>
  );
}

function Entry({ entry: r, onPatient }: { entry: AuditEntry; onPatient: (reference: string) => void }) {
  const t = useWords({ zh, en });
  const say = useName();
  const patients = r.patients ?? [];
  const word = (kind: string, v = '') => (t(`${kind}.${v}`) === `${kind}.${v}` ? v : t(`${kind}.${v}`));
  const bad = r.outcome && !/^(ok|success|allowed|0)$/.test(r.outcome);
  return (
    <tr>
      <td className="nowrap num">{timeOf(r.at)}</td>
      <td><b>{r.name || r.user}</b> <span className="quiet small">{say(r.roleName) || word('role', r.role)}</span></td>
      <td>{r.org?.display ?? r.org?.reference}</td>
      <td>{word('action', r.action)}</td>
      <td>
        {patients.slice(0, 3).map((p, i) => (
          <span key={p.reference}>{i > 0 && '、'}<button type="button" className="row-open" onClick={() => onPatient(p.reference)}>{p.name || idOf(p.reference)}</button></span>
        ))}
        {patients.length > 3 && <span className="quiet"> +{patients.length - 3}</span>}
      </td>
      <td>{say(r.whatName) || r.what} {r.target && (r.target.startsWith('Task/')
        ? <Link className="small" to={`/lines/referral/cases/${idOf(r.target)}`}>{r.target}</Link> : <span className="quiet small">{r.target}</span>)}</td>
      <td>{bad ? <b className="late-word">{word('outcome', r.outcome)}</b> : word('outcome', r.outcome)}</td>
      <td className="quiet small num" title={r.request}>{r.remote}</td>
    </tr>
  );
}
