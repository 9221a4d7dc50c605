import CloseOutlined from '@ant-design/icons/es/icons/CloseOutlined';
import ExpandAltOutlined from '@ant-design/icons/es/icons/ExpandAltOutlined';
import PhoneOutlined from '@ant-design/icons/es/icons/PhoneOutlined';
import { App, Button, Input, Tabs } from 'antd';
import { useState, type FormEvent, type ReactNode } from 'react';
import { Link, useNavigate, useParams } from 'react-router';
import { idOf, post } from '../fhir/client';
import { useCase, useCaseMoved } from '../fhir/queries';
import type { Case, Line, Ref } from '../fhir/types';
import { PatientBanner } from '../patient/banner';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { isoSpan, timeOf } from '../words/time';
import { useMarks, useName, useWords } from '../words/words';
import { Actions } from './action';
import en from './en.json';
import { Facts } from './facts';
import { HeldBed } from './held-bed';
import { StateMark, UrgencyMark } from './marks';
import { StepBar } from './stepbar';
import zh from './zh.json';

interface Props { line: Line; id: string; onClose?: () => void; aside?: (c: Case) => ReactNode }

export function CasePage({ line, aside }: { line: Line; aside?: (c: Case) => ReactNode }) {
  const { id = '' } = useParams();
  return <section className="sheet case-page"><CaseView key={id} line={line} id={id} aside={aside} /></section>;
}

export const orgName = (o?: string | Ref | null) => (typeof o === 'string' ? o : (o?.display ?? ''));

export function CaseView({ line, id, onClose, aside }: Props) {
  const t = useWords({ zh, en });
  const say = useName();
  const go = useNavigate();
  const data = useCase(line.slug, id);
  const head = (
    <div className="case-tools">
      {onClose ? (
        <>
          <Button type="text" size="small" icon={<ExpandAltOutlined />} aria-label={t('openFull')} title={t('openFull')} onClick={() => go(`/lines/${line.slug}/cases/${id}`)} />
          <Button type="text" size="small" icon={<CloseOutlined />} aria-label={t('close')} title={`${t('close')} (Esc)`} onClick={onClose} />
        </>
      ) : <Link to={`/lines/${line.slug}`}>← {say(line.name)}</Link>}
    </div>
  );
  if (data.error && !data.data) return <>{head}<ErrorState error={data.error} onRetry={() => void data.refetch()} /></>;
  if (!data.data) return <>{head}<Loading rows={14} /></>;
  const c = data.data;
  const flow = line.flows?.find((f) => f.code === c.row.flow);
  const packetCount = c.packet?.items?.length ?? 0;
  const results = (c.packet?.items ?? []).filter((i) => i.kind === 'result' || i.kind === 'image');
  return (
    <div className="case">
      {head}
      <PatientBanner reference={c.row.patient?.reference} fallback={c.row.patient} />
      <div className="case-title">
        <UrgencyMark urgency={c.row.urgency} />
        <h1>{c.row.what || say(flow?.name)}</h1>
        <StateMark name={c.row.stateName} kind={c.row.stateKind} late={c.row.late} />
      </div>
      <p className="case-way">{say(flow?.name)} · {c.row.from?.display} <span aria-label={t('to')} role="img">→</span> {c.row.to?.display}</p>
      <Asked request={c.request} what={c.row.what} />
      {!aside && <Facts line={line} data={c} />}
      <StepBar flow={flow} row={c.row} path={c.path ?? []} />
      <HeldBed data={c} />
      <Actions slug={line.slug} data={c} />
      <Insurance data={c} />
      <Coordinators data={c} />
      <Tabs size="small" className="case-tabs" items={[
        { key: 'packet', label: `${t('tab.packet')}${packetCount ? ` ${packetCount}` : ''}`, children: <>{aside?.(c)}<Packet data={c} /></> },
        ...(results.length ? [{ key: 'results', label: `${t('tab.results')} ${results.length}`, children: <Items items={results} patient={c.row.patient?.reference} /> }] : []),
        { key: 'messages', label: `${t('tab.messages')}${c.messages?.length ? ` ${c.messages.length}` : ''}`, children: <Messages slug={line.slug} data={c} /> },
        { key: 'history', label: t('tab.history'), children: <History data={c} /> },
        ...((c.chain?.length ?? 0) > 1 ? [{ key: 'chain', label: `${t('tab.chain')} ${c.chain!.length}`, children: <Chain slug={line.slug} data={c} /> }] : []),
      ]} />
    </div>
  );
}

interface Reason { text?: string; coding?: { code?: string; display?: string }[] }

// Asked adds what the title does not say: the diagnosis, and the department that was asked for.
function Asked({ request, what }: { request: Case['request']; what: string }) {
  const t = useWords({ zh, en });
  const marks = useMarks();
  const reasons = (request?.reasonCode as Reason[] | undefined) ?? [];
  const codes = reasons.flatMap((r) => r.coding ?? []).filter((c) => c.code || c.display);
  const texts = reasons.map((r) => r.text).filter((x) => x && x !== what);
  const to = (request?.performerType as Reason | undefined)?.text;
  if (!codes.length && !texts.length && !to) return null;
  return (
    <p className="asked">
      {codes.length > 0 && <span><span className="quiet">{t('diagnosis')}</span> {codes.map((c) => [c.display, c.code].filter(Boolean).join(' ')).join(marks.list)}</span>}
      {to && <span><span className="quiet">{t('department')}</span> {to}</span>}
      {texts.map((x) => <span key={x}>{x}</span>)}
    </p>
  );
}

function Insurance({ data }: { data: Case }) {
  const t = useWords({ zh, en });
  const say = useName();
  const i = data.insurance;
  if (!i || (!i.place && !i.type && !i.filing && !say(i.warning))) return null;
  return (
    <div className={say(i.warning) ? 'strip strip-soon' : 'strip'}>
      <span className="strip-label">{t('insurance')}</span>
      <span>{[i.type && t(`insurance.${i.type}`, {}).replace(/^insurance\./, ''), i.place, i.filing && t(`filing.${i.filing}`), i.validUntil && t('validUntil', { t: timeOf(i.validUntil) })].filter(Boolean).join(' · ')}</span>
      {say(i.warning) && <b>{say(i.warning)}</b>}
    </div>
  );
}

function Coordinators({ data }: { data: Case }) {
  const t = useWords({ zh, en });
  const list = data.coordinators ?? [];
  if (!list.length) return null;
  return (
    <div className="strip">
      <span className="strip-label">{t('coordinators')}</span>
      {list.map((c) => (
        <span key={c.side + c.name} className="nowrap">
          <span className="quiet">{t(`side.${c.side}`)}</span> {c.name}{' '}
          {c.phone && <a href={`tel:${c.phone.replace(/[^\d+]/g, '')}`} className="num"><PhoneOutlined aria-hidden /> {c.phone}</a>}
        </span>
      ))}
    </div>
  );
}

type Item = NonNullable<NonNullable<Case['packet']>['items']>[number];

function Items({ items, patient }: { items: Item[]; patient?: string }) {
  const t = useWords({ zh, en });
  return (
    <table className="plain items">
      <tbody>
        {items.map((i) => (
          <tr key={i.reference}>
            <td className="nowrap"><span className="kind">{t(`kind.${i.kind}`)}</span></td>
            <td>{i.hash ? <a href={`/api/files/${i.hash}`} target="_blank" rel="noreferrer">{i.title}</a>
              : patient ? <Link to={`/patients/${idOf(patient)}?focus=${encodeURIComponent(i.reference)}`}>{i.title || i.reference}</Link> : i.title}</td>
            <td className="quiet nowrap num">{timeOf(i.at)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Packet({ data }: { data: Case }) {
  const t = useWords({ zh, en });
  const marks = useMarks();
  const say = useName();
  const p = data.packet;
  const missing = p?.missing ?? [];
  return (
    <div>
      {missing.length > 0 && (
        <div className="strip strip-soon" role="note">
          <span className="strip-label">{t('packetMissing')}</span>
          <span>{missing.map(say).join(marks.list)}</span>
        </div>
      )}
      {p?.items?.length ? <Items items={p.items} patient={data.row.patient?.reference} /> : <EmptyState title={t('packetNone')} hint={t('packetNoneHint')} />}
      {p?.frozenAt && <p className="quiet small">{t('frozen', { t: timeOf(p.frozenAt) })}{p.hash && <> · <code title={p.hash}>{p.hash.slice(0, 12)}</code></>}</p>}
    </div>
  );
}

function Messages({ slug, data }: { slug: string; data: Case }) {
  const t = useWords({ zh, en });
  const moved = useCaseMoved();
  const { message } = App.useApp();
  const [text, setText] = useState('');
  const [busy, setBusy] = useState(false);
  const list = data.messages ?? [];
  async function send(e: FormEvent) {
    e.preventDefault();
    if (!text.trim()) return;
    setBusy(true);
    try {
      await post(`/api/lines/${slug}/cases/${idOf(data.row.task)}/messages`, { text: text.trim() });
      setText('');
      moved();
    } catch (error) {
      void message.error((error as Error).message || t('sendFailed'));
    } finally {
      setBusy(false);
    }
  }
  return (
    <div>
      {list.length === 0 ? <p className="quiet">{t('noMessages')}</p> : (
        <ol className="bare messages">
          {list.map((m) => (
            <li key={m.id}>
              <div className="small quiet">{m.by?.name} · {orgName(m.by?.org)} · <span className="num">{timeOf(m.at)}</span></div>
              <div className="said">{m.text}</div>
            </li>
          ))}
        </ol>
      )}
      <form onSubmit={send} className="say">
        <label htmlFor="say" className="sr">{t('writeMessage')}</label>
        <Input.TextArea id="say" autoSize={{ minRows: 1, maxRows: 5 }} value={text} placeholder={t('writeMessage')} onChange={(e) => setText(e.target.value)}
          onKeyDown={(e) => {
            if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) e.currentTarget.form?.requestSubmit();
          }} />
        <Button htmlType="submit" loading={busy} disabled={!text.trim()}>{t('send')}</Button>
      </form>
    </div>
  );
}

function History({ data }: { data: Case }) {
  const t = useWords({ zh, en });
  const say = useName();
  const path = data.path ?? [];
  if (!path.length) return <p className="quiet">{t('noHistory')}</p>;
  return (
    <ol className="bare history">
      {path.map((p, i) => (
        <li key={p.state + p.at + i}>
          <span className="quiet nowrap num">{timeOf(p.at)}</span>
          <span>
            <b>{say(p.stateName)}</b> <span className="quiet">{[p.by?.name, orgName(p.by?.org)].filter(Boolean).join(' · ')}</span>
            {p.note && <div>{p.note}</div>}
          </span>
          <span className="quiet small nowrap">{p.stayed ? t('stayed', { t: isoSpan(p.stayed) }) : ''}</span>
        </li>
      ))}
    </ol>
  );
}

function Chain({ slug, data }: { slug: string; data: Case }) {
  const t = useWords({ zh, en });
  return (
    <ol className="bare chain">
      {(data.chain ?? []).map((c) => (
        <li key={c.task} className={c.current ? 'chain-at' : ''}>
          <span className="quiet nowrap num">{timeOf(c.at)}</span>
          <span>{orgName(c.from)} → {orgName(c.to)}</span>
          <StateMark name={c.stateName} kind={c.closed ? 'closed' : 'open'} />
          {c.current ? <span className="quiet small">{t('here')}</span> : <Link to={`/lines/${slug}/cases/${idOf(c.task)}`}>{t('open')}</Link>}
        </li>
      ))}
    </ol>
  );
}
