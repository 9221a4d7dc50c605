import { useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { useRef, useState } from 'react';
import { call, query, Refusal } from '../fhir/client';
import { ErrorState, Loading } from '../states/states';
import { useLang, useMarks, useWords } from '../words/words';
import { useCatalogue, type Plan } from './data';
import en from './en.json';
import './registry.css';
import zh from './zh.json';

// Import takes a spreadsheet: what is wrong by row and column, what it would do, then do it.
export default function Import() {
  const t = useWords({ zh, en });
  const marks = useMarks();
  const lang = useLang();
  const client = useQueryClient();
  const terms = useCatalogue();
  const input = useRef<HTMLInputElement>(null);
  const [file, setFile] = useState<File | null>(null);
  const [plan, setPlan] = useState<Plan | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const [over, setOver] = useState(false);
  async function send(f: File, apply: boolean) {
    setFile(f);
    setBusy(true);
    setFailed(null);
    if (!apply) setPlan(null);
    try {
      setPlan(await call<Plan>(`/api/registry/import${query({ name: f.name, apply: apply ? 'true' : '' })}`, { method: 'POST', raw: f, headers: { 'Content-Type': 'application/octet-stream' } }));
      if (apply) for (const key of ['registry', 'orgs', 'targets']) await client.invalidateQueries({ queryKey: [key] });
    } catch (e) {
      setFailed(e);
    } finally {
      setBusy(false);
    }
  }
  const changed = (plan?.lines ?? []).filter((l) => l.outcome !== 'unchanged');
  const writes = (plan?.counts.created ?? 0) + (plan?.counts.changed ?? 0);
  return (
    <section className="sheet" aria-label={t('importTitle')}>
      <div className="sheet-head"><h1>{t('importTitle')}</h1><span className="grow" />
        <a href="/api/registry/template" download><Button tabIndex={-1}>{t('templateBook')}</Button></a></div>
      <div className="import">
        <p className="quiet" style={{ margin: 0 }}>{t('importHelp')} {(terms.data?.tables ?? []).map((x, i) => <span key={x.code}>{i > 0 && marks.list}<a href={`/api/registry/template?table=${x.code}`} download>{lang === 'en' ? x.en : x.zh}.csv</a></span>)}</p>
        <div className={over ? 'drop drop-over' : 'drop'} onDragOver={(e) => {
          e.preventDefault();
          setOver(true);
        }} onDragLeave={() => setOver(false)} onDrop={(e) => {
          e.preventDefault();
          setOver(false);
          const f = e.dataTransfer.files[0];
          if (f) void send(f, false);
        }}>
          <input ref={input} type="file" accept=".xlsx,.csv,.tsv" hidden aria-label={t('chooseFile')} onChange={(e) => {
            const f = e.target.files?.[0];
            e.target.value = '';
            if (f) void send(f, false);
          }} />
          <Button type={plan ? 'default' : 'primary'} loading={busy} onClick={() => input.current?.click()}>{t('chooseFile')}</Button>
          <p className="quiet small" style={{ margin: '8px 0 0' }}>{file ? file.name : t('dropHere')}</p>
        </div>
        {failed !== null && <ErrorState error={failed instanceof Refusal ? failed : new Refusal(0, 'page', String(failed))} onRetry={file ? () => void send(file, false) : undefined} />}
        {busy && !plan && <Loading rows={4} />}
        {plan && (
          <>
            <div className="sums" role="status">
              {plan.applied ? <b className="mark mark-done">{t('applied')}</b> : plan.problems.length > 0 ? <b className="late-word">{t('problems', { n: plan.problems.length + plan.more })}</b> : <b>{t('dryRun')}</b>}
              {plan.problems.length === 0 && <><span>{t('created')} <b className="num">{plan.counts.created ?? 0}</b></span><span>{t('changed')} <b className="num">{plan.counts.changed ?? 0}</b></span><span className="quiet">{t('unchanged')} <b className="num">{plan.counts.unchanged ?? 0}</b></span></>}
              {!plan.applied && plan.problems.length === 0 && writes > 0 && file && <Button type="primary" loading={busy} onClick={() => void send(file, true)}>{t('apply', { n: writes })}</Button>}
              {!plan.applied && plan.problems.length === 0 && writes === 0 && <span className="quiet">{t('nothingToDo')}</span>}
            </div>
            {plan.problems.length > 0 && (
              <>
                <p style={{ margin: 0 }}>{t('problemsHelp')}</p>
                <table className="plain" aria-label={t('problemList')}>
                  <thead><tr><th scope="col">{t('table')}</th><th scope="col" className="right">{t('line')}</th><th scope="col">{t('column')}</th><th scope="col">{t('value')}</th><th scope="col">{t('why')}</th></tr></thead>
                  <tbody>{plan.problems.map((p, i) => (
                    <tr key={i}><td className="nowrap">{p.table}</td><td className="right num">{p.row}</td><td className="nowrap">{p.column || t('wholeRow')}</td><td className="problem-value">{p.value}</td><td><span title={p.code}>{lang === 'en' ? p.en : p.zh}</span></td></tr>
                  ))}</tbody>
                </table>
                {plan.more > 0 && <p className="quiet">{t('andMore', { n: plan.more })}</p>}
              </>
            )}
            {plan.problems.length === 0 && changed.length > 0 && (
              <table className="plain" aria-label={t('whatItDoes')}>
                <thead><tr><th scope="col">{t('table')}</th><th scope="col" className="right">{t('line')}</th><th scope="col">{t('name')}</th><th scope="col">{t('outcome')}</th><th scope="col">{t('column')}</th></tr></thead>
                <tbody>{changed.slice(0, 300).map((l, i) => (
                  <tr key={i}><td className="nowrap">{l.table}</td><td className="right num">{l.row}</td><td>{l.name}</td><td><span className={`mark ${l.outcome === 'created' ? 'mark-done' : 'mark-open'}`}>{t(l.outcome)}</span></td><td className="quiet">{l.outcome === 'changed' ? l.changes?.join(marks.list) : ''}</td></tr>
                ))}</tbody>
              </table>
            )}
            {plan.problems.length === 0 && changed.length > 300 && <p className="quiet">{t('andMore', { n: changed.length - 300 })}</p>}
          </>
        )}
      </div>
    </section>
  );
}
