import CloseOutlined from '@ant-design/icons/es/icons/CloseOutlined';
import { useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { useEffect } from 'react';
import { useCase } from '../../../web/src/fhir/queries';
import type { Line } from '../../../web/src/fhir/types';
import { Actions } from '../../../web/src/line/action';
import { StepBar } from '../../../web/src/line/stepbar';
import { ErrorState, Loading } from '../../../web/src/states/states';
import { timeOf } from '../../../web/src/words/time';
import { useMarks, useName, useWords } from '../../../web/src/words/words';
import { useAgreement, type Coded } from './data';
import en from './en.json';
import { State, Term } from './list';
import { Attach } from './papers';
import zh from './zh.json';

// Detail says what both sides agreed on, what each may ask, who signed, and what may be done now.
export function Detail({ line, id, onClose }: { line: Line; id: string; onClose: () => void }) {
  const t = useWords({ zh, en });
  const marks = useMarks();
  const say = useName();
  const client = useQueryClient();
  const one = useAgreement(id);
  const data = useCase(line.slug, id);
  const version = data.data?.row.version;
  useEffect(() => {
    if (version) void Promise.all([client.invalidateQueries({ queryKey: ['agreements'] }), client.invalidateQueries({ queryKey: ['agreement', id] }), client.invalidateQueries({ queryKey: ['askable'] })]);
  }, [client, id, version]);
  const close = <Button type="text" size="small" icon={<CloseOutlined />} aria-label={t('close')} title={`${t('close')} (Esc)`} onClick={onClose} />;
  if (one.error && !one.data) return <aside className="subs-one" aria-label={t('one')}>{close}<ErrorState error={one.error} onRetry={() => void one.refetch()} /></aside>;
  if (!one.data) return <aside className="subs-one" aria-label={t('one')}>{close}<Loading rows={10} /></aside>;
  const a = one.data;
  const d = a.detail;
  const flow = line.flows?.find((f) => f.code === 'contract');
  const attach = data.data?.open?.some((s) => s.do === 'attach');
  const steps = data.data && { ...data.data, open: data.data.open?.filter((s) => s.do !== 'attach') };
  return (
    <aside className="subs-one agree-one" aria-label={t('one')}>
      <div className="subs-title"><State a={a} /><h2>{a.title}</h2><span className="grow" />{close}</div>
      {data.data && <StepBar flow={flow} row={data.data.row} path={data.data.path ?? []} />}
      {d?.suspended && <p className="strip strip-soon" role="note"><b>{t('suspendedBy', { who: d.suspended.by, at: timeOf(d.suspended.at) })}</b> <span>{d.suspended.reason}</span></p>}
      {a.inForce && a.daysLeft !== undefined && a.daysLeft <= 60 && <p className="strip strip-soon" role="note">{t('endsSoon', { n: a.daysLeft })}</p>}
      {steps && <Actions slug={line.slug} data={steps} />}
      {data.error && !data.data && <ErrorState error={data.error} compact />}
      <dl className="facts">
        <div><dt>{t('with')}</dt><dd>{a.other.display}</dd></div>
        <div><dt>{t('kind')}</dt><dd>{say(a.kind.name)}</dd></div>
        <div><dt>{t('lead')}</dt><dd>{a.lead?.display ?? t('equals')}</dd></div>
        <div><dt>{t('term')}</dt><dd><Term a={a} /></dd></div>
        <div><dt>{t('limits')}</dt><dd>{a.specialties.length ? a.specialties.map((s) => say(s.name)).join(marks.list) : t('noLimits')}</dd></div>
        <div><dt>{t('sharing')}</dt><dd>{t(`sharing.${a.sharing}`)}</dd></div>
      </dl>
      <h3>{t('canAsk')}</h3>
      <dl className="facts">
        <div><dt>{t('weAsk')}</dt><dd><Services of={d?.weAsk} /></dd></div>
        <div><dt>{t('theyAsk')}</dt><dd><Services of={d?.theyAsk} /></dd></div>
      </dl>
      <p className="quiet small">{t('never')}</p>
      {d?.text && <><h3>{t('text')}</h3><p className="said">{d.text}</p></>}
      <h3>{t('signatures')}</h3>
      {[a.requester, a.owner].map((side) => {
        const s = d?.signers.find((x) => x.org.reference === side.reference);
        return <p key={side.reference} className="agree-sign"><b>{side.display}</b> {s ? <span>{s.name} <span className="num quiet">{timeOf(s.at)}</span></span> : <span className="quiet">{t('unsigned')}</span>}</p>;
      })}
      <h3>{t('papers')}</h3>
      {d?.documents.length ? <ul className="bare">{d.documents.map((p) => <li key={p.reference}>{p.reference?.startsWith('/api/files/') ? <a href={p.reference} target="_blank" rel="noreferrer">{p.display}</a> : p.display}</li>)}</ul> : <p className="quiet small">{t('noPapers')}</p>}
      {attach && data.data && <Attach task={a.task} version={data.data.row.version} />}
      <h3>{t('history')}</h3>
      <ol className="bare agree-history">
        {(data.data?.path ?? []).map((m, i) => (
          <li key={i}><span className="num quiet">{timeOf(m.at)}</span> <b>{m.note || say(m.stateName)}</b> <span className="quiet">{[m.by?.name, m.by?.org].filter(Boolean).join(' · ')}</span></li>
        ))}
      </ol>
    </aside>
  );
}

function Services({ of: list }: { of?: Coded[] }) {
  const t = useWords({ zh, en });
  const say = useName();
  if (!list?.length) return <span className="quiet">{t('nothing')}</span>;
  return <span className="agree-services">{list.map((s) => <span key={s.code} className="chip">{say(s.name)}</span>)}</span>;
}
