import { useQuery } from '@tanstack/react-query';
import { Alert, Button, Checkbox } from 'antd';
import { useEffect, useRef, useState } from 'react';
import { Link, useLocation } from 'react-router';
import { post } from '../fhir/client';
import type { Me, PatientRow, Ref } from '../fhir/types';
import { usePatient } from '../fhir/queries';
import { useSex } from '../patient/sex';
import { PatientSearch } from '../shell/search';
import { ErrorState, Loading } from '../states/states';
import { useMarks, useName, useWords } from '../words/words';
import en from './en.json';
import { leave } from './leave';
import { scopeSays } from './scopes';
import zh from './zh.json';

interface Question {
  location?: string; to: string; app: { id: string; name: string; org: Ref }; scopes: string[]; beyond: string[]; launched: boolean; patient?: string; needPatient: boolean; remembered: boolean;
}

// Consent asks the person whether an app may act for him, with what, and for whom.
export default function Consent({ me }: { me: Me }) {
  const t = useWords({ zh, en });
  const { search } = useLocation();
  const problem = new URLSearchParams(search).get('problem');
  useEffect(() => { document.title = t('consent'); }, [t]);
  return (
    <main className="alone consent" aria-label={t('consent')}>
      {problem ? <Problem code={problem} /> : <Ask me={me} query={search.slice(1)} />}
    </main>
  );
}

function Problem({ code }: { code: string }) {
  const t = useWords({ zh, en });
  const said = t(`problem.${code}`);
  return (
    <section className="sheet pad">
      <Alert type="error" showIcon title={t('problem')} description={said === `problem.${code}` ? t('problem.internal') : said} />
      <p><Link to="/">{t('backHome')}</Link></p>
    </section>
  );
}

function Ask({ me, query }: { me: Me; query: string }) {
  const t = useWords({ zh, en });
  const asked = useQuery({ queryKey: ['consent', query], queryFn: () => post<Question>('/api/consent', { query }), retry: false, staleTime: Infinity, gcTime: 0 });
  const q = asked.data;
  const gone = useRef(false);
  const [error, setError] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  async function decide(allow: boolean, scopes: string[], patient = '') {
    setBusy(true);
    setError(null);
    try {
      leave((await post<{ location: string }>('/api/consent/decide', { query, allow, scopes, patient })).location);
    } catch (e) {
      setError(e as Error);
      setBusy(false);
    }
  }
  useEffect(() => {
    if (!q || gone.current) return;
    if (q.location) {
      gone.current = true;
      leave(q.location);
    } else if (q.remembered) {
      gone.current = true;
      void decide(true, q.scopes);
    }
  });
  if (asked.error) return <section className="sheet pad"><ErrorState error={asked.error} /><p><Link to="/">{t('backHome')}</Link></p></section>;
  if (!q) return <Loading rows={8} />;
  if (q.location || (q.remembered && !error)) return <p className="quiet pad" role="status">{t('leaving')}</p>;
  return <Form me={me} q={q} busy={busy} error={error} onDecide={(allow, scopes, patient) => void decide(allow, scopes, patient)} />;
}

function Form({ me, q, busy, error, onDecide }: { me: Me; q: Question; busy: boolean; error: Error | null; onDecide: (allow: boolean, scopes: string[], patient?: string) => void }) {
  const t = useWords({ zh, en });
  const marks = useMarks();
  const name = useName();
  const sex = useSex();
  const [off, setOff] = useState<string[]>([]);
  const [patient, setPatient] = useState<PatientRow | null>(null);
  const chosen = q.scopes.filter((s) => !off.includes(s));
  const needs = q.needPatient && chosen.some((s) => s === 'launch/patient' || s.startsWith('patient/'));
  const waiting = needs && !patient;
  return (
    <form className="sheet consent-form" aria-label={t('consent')} onSubmit={(e) => {
      e.preventDefault();
      if (!waiting) onDecide(true, chosen, needs ? patient?.reference : '');
    }}>
      <h1>{t('consentAsks', { name: q.app.name })}</h1>
      <p className="quiet">{t('goesTo', { to: q.to })} · {t('ofOrg', { org: q.app.org.display || t('hub') })}</p>
      <p>{t('asYou', { who: `${me.user.name}${marks.aside([me.role?.org?.display, name(me.role?.roleName)].filter(Boolean).join(' · '))}` })}</p>
      {q.patient && <Launched reference={q.patient} />}
      {needs && (
        <div className="stack">
          <b>{t(patient ? 'forPatient' : 'whichPatient')}</b>
          {patient
            ? <p className="consent-patient"><strong>{patient.name}</strong> <span>{sex(patient.sex)} {patient.age}</span> <span className="quiet num">{patient.idMasked}</span> <Button size="small" onClick={() => setPatient(null)}>{t('changePatient')}</Button></p>
            : <PatientSearch global={false} autoFocus onPick={setPatient} />}
          <span className="quiet small">{t('whichPatientHelp')}</span>
        </div>
      )}
      <fieldset className="consent-scopes">
        <legend>{t('wants')}</legend>
        {q.scopes.map((s) => (
          <Checkbox key={s} checked={!off.includes(s)} disabled={s === 'launch'} onChange={(e) => setOff(e.target.checked ? off.filter((o) => o !== s) : [...off, s])}>
            {scopeSays(t, s)} <span className="quiet small">{s}</span>
          </Checkbox>
        ))}
      </fieldset>
      {q.beyond.length > 0 && <p className="quiet small">{t('refusedOnes')} {q.beyond.join(' ')}</p>}
      {error && <ErrorState error={error} compact act />}
      <div className="actions">
        <Button type="primary" htmlType="submit" loading={busy} disabled={waiting || chosen.length === 0}>{waiting ? t('pickFirst') : t('allow')}</Button>
        <Button disabled={busy} onClick={() => onDecide(false, [])}>{t('deny')}</Button>
      </div>
    </form>
  );
}

function Launched({ reference }: { reference: string }) {
  const t = useWords({ zh, en });
  const sex = useSex();
  const page = usePatient(reference, '');
  const p = page.data?.pages[0]?.banner;
  return <p className="consent-patient"><b>{t('forPatient')}</b> {p ? <><strong>{p.name}</strong> <span>{sex(p.sex)} {p.age}</span> <span className="quiet num">{p.idMasked}</span></> : <span className="quiet">{reference}</span>}</p>;
}
