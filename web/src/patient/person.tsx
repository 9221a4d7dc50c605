import { useQuery } from '@tanstack/react-query';
import { Button } from 'antd';
import { useState } from 'react';
import { Link } from 'react-router';
import { get, idOf, post } from '../fhir/client';
import type { Form, Ref } from '../fhir/types';
import { dateOf, timeOf } from '../words/time';
import { useWords } from '../words/words';
import en from './person.en.json';
import { useSex } from './sex';
import { Undo } from './why';
import zh from './person.zh.json';

export interface Member { reference: string; name: string; sex?: string; birthDate?: string; org: Ref; since?: string; source?: string; by?: string; probability?: number; this: boolean }
export interface Golden { field: string; kind?: string; value: string; from: string; org: Ref; at?: string; rule: string; other: number }
export interface Happened { at: string; what: string; source?: string; patient: string; with?: string; by?: string; why?: string }
export interface Person { person: string; members: Member[] | null; golden: Golden[] | null; log: Happened[] | null; undone: Happened[] | null; mayUndo: boolean; why?: Form }

export const usePerson = (id: string) =>
  useQuery({ queryKey: ['patient', 'person', id], queryFn: ({ signal }) => get<Person>(`/api/patients/${encodeURIComponent(id)}/person`, signal), enabled: !!id, retry: false });

// Linked says of whose other records this one is linked with, as far as the reader sees them; it never stands in the way.
export function Linked({ patient }: { patient: string }) {
  const t = useWords({ zh, en });
  const id = idOf(patient);
  const data = usePerson(id);
  const p = data.data;
  if (!p) return null;
  const members = p.members ?? [];
  const hospitals = new Set(members.map((m) => m.org.reference)).size;
  return (
    <>
      {(p.undone ?? []).map((u) => (
        <p key={u.at + u.with} className="person-cut" role="note">
          {t('cut', { t: timeOf(u.at) })} {u.with && <Link to={`/patients/${idOf(u.with)}`}>{t('open')}</Link>} {u.why && <span>{reasonOf(t, u.why)}{t('comma')}</span>}{t('cutSays')}
        </p>
      ))}
      {p.person && members.length > 1 && (
        <details className="person">
          <summary>{hospitals > 1 ? t('hospitals', { n: hospitals }) : t('records', { n: members.length })} <span className="quiet small">{t('says')}</span></summary>
          <Members id={id} person={p} onDone={() => void data.refetch()} />
          {(p.golden ?? []).length > 0 && <GoldenRecord fields={p.golden ?? []} />}
          {(p.log ?? []).length > 0 && <History log={p.log ?? []} members={members} />}
        </details>
      )}
    </>
  );
}

const reasonOf = (t: (k: string) => string, why: string) => (t(`why.${why}`) === `why.${why}` ? why : t(`why.${why}`));

function Members({ id, person: p, onDone }: { id: string; person: Person; onDone: () => void }) {
  const t = useWords({ zh, en });
  const sex = useSex();
  const [out, setOut] = useState('');
  const members = p.members ?? [];
  const may = (m: Member) => p.mayUndo && (!m.this || members.length > 2);
  return (
    <>
      <h3>{t('members')}</h3>
      <table className="plain" aria-label={t('members')}>
        <thead><tr><th scope="col">{t('hospital')}</th><th scope="col">{t('name')}</th><th scope="col">{t('born')}</th><th scope="col">{t('since')}</th><th scope="col">{t('how')}</th><th scope="col"><span className="sr">{t('open')}</span></th></tr></thead>
        <tbody>
          {members.map((m) => (
            <tr key={m.reference} className={m.this ? 'row-at' : ''}>
              <td>{m.org.display || m.org.reference}</td>
              <td>{m.name} <span className="quiet">{sex(m.sex)}</span></td>
              <td className="num">{dateOf(m.birthDate)}</td>
              <td className="num nowrap">{m.since ? timeOf(m.since) : '–'}</td>
              <td>{m.source ? t(`source.${m.source}`, { p: m.probability ? `${Math.floor(m.probability * 1000) / 10} %` : '–', who: m.by ?? '' }) : '–'}</td>
              <td className="nowrap">
                {m.this ? <span className="quiet">{t('this')}</span> : <Link to={`/patients/${idOf(m.reference)}?person=false`}>{t('open')}</Link>}
                {may(m) && <> <Button size="small" danger type="text" onClick={() => setOut(m.reference)}>{t('notOne')}</Button></>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {out && <Undo title={t('notOne')} effect={t('notOneEffect')} form={p.why} onClose={() => setOut('')} onDone={onDone}
        send={(body) => post(`/api/patients/${encodeURIComponent(id)}/person/undo`, { patient: out, ...body })} />}
    </>
  );
}

function GoldenRecord({ fields }: { fields: Golden[] }) {
  const t = useWords({ zh, en });
  const sex = useSex();
  const known = (key: string) => (t(key) === key ? '' : t(key));
  const name = (f: Golden) => known(`number.${(f.kind ?? '').split('/sid/').at(-1)?.split('/')[0]}`) || known(`field.${f.field}`) || f.field;
  return (
    <>
      <h3>{t('golden')} <span className="quiet small">{t('goldenSays')}</span></h3>
      <table className="plain" aria-label={t('golden')}>
        <thead><tr><th scope="col">{t('field')}</th><th scope="col">{t('value')}</th><th scope="col">{t('from')}</th><th scope="col">{t('rule')}</th></tr></thead>
        <tbody>
          {fields.map((f, i) => (
            <tr key={f.field + (f.kind ?? '') + i}>
              <th scope="row">{name(f)}</th>
              <td className="num">{f.field === 'sex' ? sex(f.value) : f.value}</td>
              <td>{f.org.display || f.org.reference} <span className="quiet small num">{f.at ? timeOf(f.at) : ''}</span></td>
              <td>{t(`rule.${f.rule}`) === `rule.${f.rule}` ? f.rule : t(`rule.${f.rule}`)}{f.other > 0 && <span className="quiet small"> {t('others', { n: f.other })}</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function History({ log, members }: { log: Happened[]; members: Member[] }) {
  const t = useWords({ zh, en });
  const org = (reference?: string) => members.find((m) => m.reference === reference)?.org.display ?? '';
  return (
    <>
      <h3>{t('history')}</h3>
      <ul className="bare history" aria-label={t('history')}>
        {log.map((e, i) => (
          <li key={i}>
            <span className="num small quiet">{timeOf(e.at)}</span>
            <span>{t(`what.${e.what}`)} {[org(e.patient), org(e.with)].filter(Boolean).join(' ⇄ ')} <span className="quiet">{e.why && reasonOf(t, e.why)}</span></span>
            <span className="quiet small">{e.by}</span>
          </li>
        ))}
      </ul>
    </>
  );
}
