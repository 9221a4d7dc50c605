import PlusOutlined from '@ant-design/icons/es/icons/PlusOutlined';
import { Button, Input } from 'antd';
import { useEffect, useState } from 'react';
import { useNavigate, useParams, useSearchParams } from 'react-router';
import type { Line } from '../../../web/src/fhir/types';
import { EmptyState, ErrorState, Loading } from '../../../web/src/states/states';
import { useMarks, useName, useWords } from '../../../web/src/words/words';
import { groups, useAgreements, type Agreement, type List } from './data';
import { Detail } from './detail';
import en from './en.json';
import zh from './zh.json';

export function Agreements({ line }: { line: Line }) {
  const t = useWords({ zh, en });
  const go = useNavigate();
  const { id } = useParams();
  const [url, setUrl] = useSearchParams();
  const [find, setFind] = useState('');
  const all = useAgreements();
  const at = id ?? url.get('at') ?? '';
  const tab = url.get('show') ?? 'all';
  const show = (values: Record<string, string>) => {
    const n = new URLSearchParams(url);
    for (const [k, v] of Object.entries(values)) if (v) n.set(k, v);
      else n.delete(k);
    if (id) go({ pathname: `/lines/${line.slug}`, search: n.toString() });
    else setUrl(n, { replace: true });
  };
  useEffect(() => {
    const esc = (e: KeyboardEvent) => {
      if (e.key === 'Escape' && at && !document.querySelector('.ant-modal-wrap, .ant-select-open, .step-form')) show({ at: '' });
    };
    window.addEventListener('keydown', esc);
    return () => window.removeEventListener('keydown', esc);
  });
  const list = all.data?.rows ?? [];
  const q = find.trim().toLowerCase();
  const rows = list.filter(groups[tab] ?? (() => true)).filter((a) => !q || [a.title, a.other.display, a.kind.name.zh, a.kind.name.en].some((w) => w?.toLowerCase().includes(q)));
  return (
    <section className="sheet subs" aria-label={t('title')}>
      <div className="sheet-head">
        <h1>{t('title')}</h1>
        <div className="views" role="group" aria-label={t('byState')}>
          {Object.entries(groups).map(([code, fits]) => {
            const n = list.filter(fits).length;
            return <button key={code} type="button" aria-pressed={tab === code} className={tab === code ? 'view view-at' : 'view'} onClick={() => show({ show: code === 'all' ? '' : code })}>{t(`tab.${code}`)} {n > 0 && <span className="num">{n}</span>}</button>;
          })}
        </div>
        <Input.Search size="small" allowClear placeholder={t('find')} aria-label={t('find')} value={find} onChange={(e) => setFind(e.target.value)} style={{ maxWidth: 220 }} />
        <span className="grow" />
        {!!line.start?.length && <Button type="primary" size="small" icon={<PlusOutlined aria-hidden />} onClick={() => go(`/lines/${line.slug}/new`)}>{t('new')}</Button>}
      </div>
      {all.data && <Summary of={all.data.summary} />}
      {all.error && !all.data ? <ErrorState error={all.error} onRetry={() => void all.refetch()} />
        : all.isLoading ? <Loading rows={14} />
        : list.length === 0 ? <EmptyState title={t('empty')} hint={t('emptyHint')} />
        : (
          <div className={at ? 'subs-body subs-open' : 'subs-body'}>
            <div className="subs-list">
              <table className="plain" aria-label={t('title')}>
                <thead><tr>
                  <th scope="col">{t('state')}</th><th scope="col">{t('with')}</th><th scope="col">{t('kind')}</th>
                  <th scope="col" className="only-wide">{t('services')}</th><th scope="col">{t('term')}</th><th scope="col" className="only-wide">{t('who')}</th>
                </tr></thead>
                <tbody>{rows.map((a) => <Row key={a.id} a={a} here={a.id === at} onOpen={() => show({ at: a.id === at ? '' : a.id })} />)}</tbody>
              </table>
              {rows.length === 0 && <p className="quiet pad">{t('none')}</p>}
            </div>
            {at && <Detail key={at} line={line} id={at} onClose={() => show({ at: '' })} />}
          </div>
        )}
    </section>
  );
}

function Summary({ of: s }: { of: List['summary'] }) {
  const t = useWords({ zh, en });
  return (
    <p className="agree-summary">
      <span>{t('sum.force')} <b className="num">{s.inForce}</b></span>
      <span>{t('sum.partners')} <b className="num">{s.partners}</b></span>
      {s.waiting > 0 && <span className="soon-word">{t('sum.waiting')} <b className="num">{s.waiting}</b></span>}
      {s.expiring > 0 && <span className="soon-word">{t('sum.expiring')} <b className="num">{s.expiring}</b></span>}
      {s.townships.total > 0 && <span>{t('sum.townships')} <b className="num">{s.townships.covered}/{s.townships.total}</b></span>}
      {s.villages.total > 0 && <span>{t('sum.villages')} <b className="num">{s.villages.covered}/{s.villages.total}</b></span>}
    </p>
  );
}

const marks: Record<string, string> = { active: 'mark-done', signed: 'mark-done', suspended: 'mark-late', draft: 'mark-closed', ended: 'mark-closed', terminated: 'mark-closed', declined: 'mark-closed', withdrawn: 'mark-closed' };

export function State({ a }: { a: Agreement }) {
  const t = useWords({ zh, en });
  const say = useName();
  const expired = a.state === 'active' && !a.inForce;
  return <span className={`mark ${expired ? 'mark-closed' : marks[a.state] ?? 'mark-open'}`}>{expired ? t('expired') : say(a.stateName)}</span>;
}

const slash = (day: string) => day.replaceAll('-', '/');

export function Term({ a }: { a: Agreement }) {
  const t = useWords({ zh, en });
  if (!a.from) return <span className="quiet">—</span>;
  return (
    <span className="nowrap num">
      {slash(a.from)} – {a.until ? slash(a.until) : t('open')}{' '}
      {a.daysLeft !== undefined && a.daysLeft <= 60 && <b className="soon-word">{t('left', { n: a.daysLeft })}</b>}
    </span>
  );
}

function Row({ a, here, onOpen }: { a: Agreement; here: boolean; onOpen: () => void }) {
  const t = useWords({ zh, en });
  const marks = useMarks();
  const say = useName();
  return (
    <tr aria-current={here || undefined} className={a.stateKind !== 'open' ? 'row-over' : ''} onClick={onOpen}>
      <td className="nowrap"><State a={a} /> {a.mine && <b className="soon-word small">{t('mine')}</b>}</td>
      <td><button type="button" className="row-open" aria-expanded={here} onClick={(e) => {
        e.stopPropagation();
        onOpen();
      }}>{a.other.display || a.other.reference}</button><div className="quiet small">{a.title}</div></td>
      <td>{say(a.kind.name)}</td>
      <td className="only-wide small">{a.services.slice(0, 5).map((s) => say(s.name)).join(marks.list)}{a.services.length > 5 && ` ${t('more', { n: a.services.length })}`}</td>
      <td><Term a={a} /></td>
      <td className="only-wide small">{a.lead ? (a.lead.reference === a.other.reference ? t('theyLead') : t('weLead')) : t('equals')}</td>
    </tr>
  );
}
