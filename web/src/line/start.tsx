import { App, Button } from 'antd';
import { useMemo, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { idOf, newKey, post, Refusal } from '../fhir/client';
import { useCaseMoved } from '../fhir/queries';
import type { Line } from '../fhir/types';
import { PatientBanner } from '../patient/banner';
import { PatientSearch } from '../shell/search';
import { useWho } from '../shell/who';
import { EmptyState, ErrorState } from '../states/states';
import { useName, useWords } from '../words/words';
import { fieldErrors } from './action';
import { useDraft } from './draft';
import en from './en.json';
import { Fields, startValues } from './form';
import { check, parameters, type Values } from './parameters';
import zh from './zh.json';

interface Props { line: Line; title: string; says?: string; send: string; draft?: string; more?: Values; extra?: (p: { values: Values; set: (name: string, value: unknown) => void }) => ReactNode; fixed?: Record<string, string>; after?: (id: string) => string }

// Start begins a case of a line from its form alone: about the patient of the address, about nobody, or about somebody new.
export function Start({ line, title, says, send, draft, more, extra, fixed, after }: Props) {
  const t = useWords({ zh, en });
  const say = useName();
  const go = useNavigate();
  const me = useWho();
  const moved = useCaseMoved();
  const { message } = App.useApp();
  const [url, setUrl] = useSearchParams();
  const start = line.start?.[0];
  const about = start?.about ?? 'patient';
  const patient = about === 'patient' && url.get('patient') ? `Patient/${idOf(url.get('patient')!)}` : '';
  const form = useMemo(() => ({ fields: (start?.form?.fields ?? []).filter((f) => f.name !== 'patient' || about !== 'patient') }), [start, about]);
  const initial = useMemo(() => startValues(form, more), [form, more]);
  const { values, set, restored, forget, reset } = useDraft(`${me?.user.id}.${line.slug}.start.${idOf(patient)}`, initial);
  const [wrong, setWrong] = useState<Record<string, string>>({});
  const [refused, setRefused] = useState<unknown>(null);
  const [busy, setBusy] = useState('');
  const key = useRef(newKey());
  const box = useRef<HTMLFormElement>(null);

  async function begin(as: 'send' | 'draft') {
    const missing = as === 'draft' ? {} : check(form, values);
    setWrong(missing);
    setRefused(null);
    const bad = Object.keys(missing)[0];
    if (bad) {
      const at = box.current?.querySelector<HTMLElement>(`[data-field="${bad}"]`);
      at?.scrollIntoView({ block: 'center' });
      return at?.querySelector<HTMLElement>('input, textarea')?.focus();
    }
    setBusy(as);
    try {
      const first = [{ name: 'line', valueCode: line.slug }, { name: 'flow', valueCode: start!.flow }, ...(patient ? [{ name: 'patient', valueReference: { reference: patient } }] : []),
        ...Object.entries(fixed ?? {}).map(([name, valueCode]) => ({ name, valueCode })), ...(as === 'draft' ? [{ name: 'draft', valueBoolean: true }] : [])];
      const body = parameters(form, values, first);
      for (const d of (values.documents as { reference: string }[] | undefined) ?? [])
        if (!form.fields.some((f) => f.name === 'documents')) body.parameter.push({ name: 'documents', valueReference: { reference: d.reference } });
      const task = await post<{ id: string }>('/fhir/Task/$start', body, { 'Idempotency-Key': key.current });
      forget();
      void message.success(t('begun'));
      moved();
      go(after ? after(task.id) : `/lines/${line.slug}/cases/${task.id}`);
    } catch (e) {
      key.current = newKey();
      setRefused(e);
      if (e instanceof Refusal) setWrong(fieldErrors(e, form.fields.map((f) => f.name)));
    } finally {
      setBusy('');
    }
  }
  const waits = about === 'patient' && !patient;
  return (
    <section className="sheet compose" aria-label={title}>
      <div className="sheet-head">
        <Link to={`/lines/${line.slug}`}>← {say(line.name)}</Link>
        <h1>{title}</h1>
        {says && <span className="quiet small">{says}</span>}
      </div>
      {!start ? <EmptyState title={t('mayNotStart')} hint={t('mayNotStartHint')} /> : waits ? (
        <div className="pick-patient">
          <h2>{t('whichPatient')}</h2>
          <PatientSearch global={false} autoFocus onPick={(p) => setUrl({ patient: idOf(p.reference) }, { replace: true })} />
        </div>
      ) : (
        <>
          {patient && <PatientBanner reference={patient} />}
          <form ref={box} className="compose-form" noValidate aria-label={title} onSubmit={(e: FormEvent) => {
            e.preventDefault();
            void begin('send');
          }}>
            {restored && <p className="strip"><span>{t('draftBack')}</span> <Button size="small" type="link" onClick={reset}>{t('draftDrop')}</Button></p>}
            <div className="fields compose-main"><Fields id="start" form={form} values={values} set={set} wrong={wrong} patient={patient || undefined} owner={me?.role.institution.reference} /></div>
            {extra?.({ values, set })}
            <div className="compose-foot">
              {refused !== null && <ErrorState error={refused} compact act />}
              <div className="actions">
                <Button type="primary" size="large" htmlType="submit" loading={busy === 'send'}>{send}</Button>
                {draft && <Button size="large" loading={busy === 'draft'} onClick={() => void begin('draft')}>{draft}</Button>}
              </div>
            </div>
          </form>
        </>
      )}
    </section>
  );
}
