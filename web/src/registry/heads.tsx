import { Input } from 'antd';
import { useState } from 'react';
import { ErrorState, Loading } from '../states/states';
import { dateOf, timeOf } from '../words/time';
import { useName, useWords } from '../words/words';
import { spanText, usePosts, useWhoWas, type Held } from './data';
import en from './en.json';
import zh from './zh.json';

// Heads answers who led a department on a day, as it is known now or as it was known then, and shows who led it when.
export default function Heads({ org, onPerson }: { org: string; onPerson?: (reference: string) => void }) {
  const t = useWords({ zh, en });
  const say = useName();
  const [day, setDay] = useState('');
  const [asKnown, setAsKnown] = useState('');
  const who = useWhoWas(org, day, asKnown);
  const all = usePosts(org, asKnown);
  const person = (h: Held) => (onPerson
    ? <button type="button" className="row-open" onClick={() => onPerson(h.person.reference!)}>{h.person.display || h.person.reference}</button>
    : <b>{h.person.display || h.person.reference}</b>);
  return (
    <div className="stack">
      <div className="ask-row">
        <label htmlFor="head-day">{t('whoOn')}</label>
        <Input id="head-day" type="date" value={day} onChange={(e) => setDay(e.target.value)} style={{ width: 150 }} />
        <label htmlFor="head-known">{t('asKnownOn')}</label>
        <Input id="head-known" type="date" value={asKnown} onChange={(e) => setAsKnown(e.target.value)} style={{ width: 150 }} />
        <span className="quiet small">{t('asKnownHelp')}</span>
      </div>
      {day && (
        <div className="answer" role="status" aria-label={t('whoOn')}>
          {who.error ? <ErrorState compact error={who.error} /> : !who.data ? <Loading rows={1} />
            : who.data.length === 0 ? <span>{t('nobodyOn', { day: dateOf(day) })}</span>
            : who.data.map((h) => (
              <span key={h.role + h.code} className="answer-one">
                <span className="quiet">{dateOf(day)} {say(h.name)}</span> {person(h)}
                {h.standsFor && <span className="mark mark-open">{t('substitute')}</span>}
                {!h.acting && <span className="mark mark-closed">{t('away')}</span>}
              </span>
            ))}
        </div>
      )}
      {all.error ? <ErrorState compact error={all.error} onRetry={() => void all.refetch()} /> : !all.data ? <Loading rows={4} />
        : all.data.length === 0 ? <p className="quiet">{t('noHeads')}</p>
        : (
          <table className="plain" aria-label={t('headsOverTime')}>
            <thead><tr><th scope="col">{t('post')}</th><th scope="col">{t('person')}</th><th scope="col">{t('term')}</th><th scope="col">{t('recorded')}</th><th scope="col">{t('state')}</th></tr></thead>
            <tbody>{[...all.data].sort((a, b) => (b.from ?? '').localeCompare(a.from ?? '')).map((h) => (
              <tr key={h.role + h.code} className={h.inForce ? '' : 'row-over'}>
                <td>{say(h.name)}{h.standsFor && <span className="quiet small"> {t('substitute')}</span>}</td>
                <td>{person(h)}</td>
                <td className="num nowrap">{spanText(h, t('open'))}</td>
                <td className="num nowrap quiet">{timeOf(h.known)}</td>
                <td><State h={h} /></td>
              </tr>
            ))}</tbody>
          </table>
        )}
    </div>
  );
}

export function State({ h }: { h: { from?: string; inForce: boolean; acting?: boolean } }) {
  const t = useWords({ zh, en });
  if (h.inForce) return <span className={`mark ${h.acting === false ? 'mark-closed' : 'mark-done'}`}>{t(h.acting === false ? 'away' : 'inForce')}</span>;
  const begins = h.from && new Date(h.from).getTime() > Date.now();
  return <span className={`mark ${begins ? 'mark-open' : 'mark-closed'}`}>{t(begins ? 'toCome' : 'over')}</span>;
}
