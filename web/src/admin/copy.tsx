import { Button } from 'antd';
import { useParams } from 'react-router';
import { useTrailCopy } from '../fhir/queries';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { dateOf, timeOf } from '../words/time';
import { useMarks, useName, useWords } from '../words/words';
import en from './en.json';
import zh from './zh.json';

// Copy is what a patient who asks is given: who has looked at his record, in plain words, to print.
export default function Copy() {
  const { id = '' } = useParams();
  const t = useWords({ zh, en });
  const marks = useMarks();
  const say = useName();
  const copy = useTrailCopy(id);
  if (copy.error) return <ErrorState error={copy.error} onRetry={() => void copy.refetch()} />;
  if (copy.isLoading || !copy.data) return <Loading rows={14} />;
  const d = copy.data;
  const lines = d.lines ?? [];
  return (
    <section className="sheet scroll printed" aria-label={t('copyTitle')}>
      <div className="sheet-head">
        <h1>{t('copyTitle')}</h1>
        <span className="quiet">{[d.patient?.name, t('copyPeriod', { from: dateOf(d.from), until: dateOf(d.until && !d.until.startsWith('0001') ? d.until : d.made) })].filter(Boolean).join(' · ')}</span>
        <Button size="small" className="not-printed" onClick={() => window.print()}>{t('print')}</Button>
      </div>
      <p className="quiet">{t('copySays')}</p>
      {lines.length === 0 ? <EmptyState title={t('copyEmpty')} hint={t('copyEmptyHint')} /> : (
        <table className="plain audit" aria-label={t('copyTitle')}>
          <thead><tr>{['hour', 'whoDid', 'where', 'whatDid', 'purpose'].map((k) => <th key={k} scope="col">{t(k)}</th>)}</tr></thead>
          <tbody>{lines.map((l, i) => (
            <tr key={i}>
              <td className="nowrap num">{timeOf(l.at)}</td>
              <td>{l.who} <span className="quiet small">{say(l.role)}{l.client ? ` · ${l.client}` : ''}</span></td>
              <td>{l.org}</td>
              <td>{(l.did ?? []).map((w) => say(w)).join(marks.list)} <span className="quiet small">{t('timesN', { n: l.count })}</span></td>
              <td>{(l.purposes ?? []).map((p) => say(p)).join(marks.list)}{l.asked && <b> {t('reasonGiven')}</b>}</td>
            </tr>
          ))}</tbody>
        </table>
      )}
      {d.more && <p className="quiet">{t('copyMore')}</p>}
      <p className="quiet small">{t('copyFoot', { org: d.org || '', by: d.by || '', at: timeOf(d.made) })}</p>
    </section>
  );
}
