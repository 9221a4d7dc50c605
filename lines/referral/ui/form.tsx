import { App, Button, Radio } from 'antd';
import { useEffect, useMemo, useRef, useState, type FormEvent } from 'react';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { idOf, newKey, post, Refusal } from '../../../web/src/fhir/client';
import { useCaseMoved, useOpenCases, usePatient } from '../../../web/src/fhir/queries';
import type { Form, Line, Row } from '../../../web/src/fhir/types';
import { fieldErrors } from '../../../web/src/line/action';
import { useDraft } from '../../../web/src/line/draft';
import { Fields, startValues } from '../../../web/src/line/form';
import { Due, StateMark, UrgencyMark } from '../../../web/src/line/marks';
import { rememberOrg } from '../../../web/src/line/org-picker';
import { check, parameters, type Pointed, type Values } from '../../../web/src/line/parameters';
import { PatientBanner } from '../../../web/src/patient/banner';
import { PatientSearch } from '../../../web/src/shell/search';
import { useWho } from '../../../web/src/shell/who';
import { EmptyState, ErrorState } from '../../../web/src/states/states';
import { useName, useWords } from '../../../web/src/words/words';
import { Capacity } from './capacity';
import en from './en.json';
import zh from './zh.json';

const phoneKey = 'xinglin.my-phone';
const insuranceFields = ['insurance-place', 'insurance-type', 'certificate', 'filing', 'filing-until'];
const contactFields = ['coordinator', 'phone'];
const consentFields = ['consent', 'consent-basis', 'guardian', 'self-supporting', 'informed-by'];

// Compose writes a referral: the patient first, then what is already open, then the form.
export function Compose({ line }: { line: Line }) {
  const t = useWords({ zh, en });
  const say = useName();
  const [url, setUrl] = useSearchParams();
  const id = url.get('patient');
  const patient = id ? `Patient/${idOf(id)}` : '';
  const starts = line.start ?? [];
  const flow = url.get('flow') ?? starts[0]?.flow ?? '';
  const start = starts.find((s) => s.flow === flow) ?? starts[0];
  const set = (values: Record<string, string>) => setUrl((b) => {
    const n = new URLSearchParams(b);
    for (const [k, v] of Object.entries(values)) if (v) n.set(k, v);
      else n.delete(k);
    return n;
  }, { replace: true });
  return (
    <section className="sheet compose" aria-label={t('title')}>
      <div className="sheet-head">
        <Link to={`/lines/${line.slug}`}>← {say(line.name)}</Link>
        <h1>{t('title')}</h1>
        {starts.length > 1 && (
          <Radio.Group optionType="button" buttonStyle="solid" size="small" value={start?.flow} aria-label={t('direction')} onChange={(e) => set({ flow: String(e.target.value) })}
            options={starts.map((s) => ({ value: s.flow, label: say(s.name) }))} />
        )}
        <span className="grow" />
        {patient && <Button size="small" onClick={() => set({ patient: '' })}>{t('otherPatient')}</Button>}
      </div>
      {patient ? <PatientBanner reference={patient} /> : (
        <div className="pick-patient">
          <h2>{t('whichPatient')}</h2>
          <PatientSearch global={false} autoFocus onPick={(p) => set({ patient: idOf(p.reference) })} />
          <p className="quiet">{t('whichPatientHint')}</p>
        </div>
      )}
      {patient && start && <Sheet key={`${patient}.${start.flow}`} line={line} flow={start.flow} form={start.form} patient={patient} basedOn={url.get('basedOn') ?? ''} to={url.get('to') ?? ''} toName={url.get('toName') ?? ''} />}
      {patient && !start && <EmptyState title={t('mayNot')} hint={t('mayNotHint')} />}
    </section>
  );
}

function Sheet({ line, flow, form, patient, basedOn, to: asked, toName }: { line: Line; flow: string; form?: Form; patient: string; basedOn: string; to: string; toName: string }) {
  const t = useWords({ zh, en });
  const go = useNavigate();
  const me = useWho();
  const moved = useCaseMoved();
  const { message } = App.useApp();
  const initial = useMemo(() => startValues(form, { ...known(form, me?.user.name), ...(asked ? { to: { reference: asked, display: toName } } : {}) }), [form, me, asked, toName]);
  const { values, set, restored, forget, reset } = useDraft(`${me?.user.id}.${line.slug}.${flow}.${idOf(patient)}`, initial);
  const to = (values.to as Pointed | undefined)?.reference;
  const open = useOpenCases(line.slug, patient, to);
  const duplicate = open.data?.find((r) => r.duplicate);
  const [wrong, setWrong] = useState<Record<string, string>>({});
  const [refused, setRefused] = useState<unknown>(null);
  const [busy, setBusy] = useState<'' | 'send' | 'draft'>('');
  const key = useRef(newKey());
  const box = useRef<HTMLFormElement>(null);
  const shown = useMemo(() => ({ fields: (form?.fields ?? []).filter((f) => f.name !== 'patient') }), [form]);
  const names = shown.fields.map((f) => f.name);
  const has = (list: string[]) => list.some((n) => names.includes(n));
  usePacketOffered(patient, names.includes('documents') && !restored && !(values.documents as unknown[])?.length, (docs) => set('documents', docs));

  async function send(as: 'send' | 'draft') {
    const emergency = values.urgency === 'emergency';
    const missing = as === 'draft' ? {} : check(shown, values, emergency);
    setWrong(missing);
    setRefused(null);
    const bad = Object.keys(missing)[0];
    if (bad) {
      const at = box.current?.querySelector<HTMLElement>(`[data-field="${bad}"]`);
      at?.scrollIntoView({ block: 'center' });
      return at?.querySelector<HTMLElement>('input, textarea')?.focus();
    }
    setBusy(as);
    const first = [
      { name: 'line', valueCode: line.slug }, { name: 'flow', valueCode: flow }, { name: 'patient', valueReference: { reference: patient } },
      ...(basedOn ? [{ name: 'basedOn', valueReference: { reference: `Task/${idOf(basedOn)}` } }] : []),
      ...(as === 'draft' ? [{ name: 'draft', valueBoolean: true }] : []),
    ];
    try {
      const task = await post<{ id: string }>('/fhir/Task/$start', parameters(shown, values, first), { 'Idempotency-Key': key.current });
      forget();
      rememberOrg(values.to as Pointed | undefined);
      remember(values.phone);
      void message.success(t(as === 'draft' ? 'kept' : 'sent'));
      moved();
      go(`/lines/${line.slug}/cases/${task.id}`);
    } catch (e) {
      key.current = newKey();
      setRefused(e);
      if (e instanceof Refusal) setWrong(fieldErrors(e, names));
    } finally {
      setBusy('');
    }
  }
  return (
    <form ref={box} className="compose-form" noValidate aria-label={t('title')} onSubmit={(e: FormEvent) => {
      e.preventDefault();
      void send('send');
    }} onKeyDown={(e) => {
      if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) void send('send');
    }}>
      <OpenBefore line={line} rows={open.data ?? []} failed={open.error} />
      {restored && <p className="strip"><span>{t('draftBack')}</span> <Button size="small" type="link" onClick={reset}>{t('draftDrop')}</Button></p>}
      <div className="compose-columns">
        <div className="compose-main fields">
          {flow === 'up' && <Capacity value={to} choose={(p) => set('to', p)} />}
          <Fields id="ref" form={shown} values={values} set={set} wrong={wrong} patient={patient} except={[...insuranceFields, ...contactFields, ...consentFields]} />
        </div>
        <div className="compose-side">
          {has(contactFields) && (
            <fieldset className="fields"><legend>{t('contact')}</legend>
              <Fields id="ref" form={shown} values={values} set={set} wrong={wrong} patient={patient} except={names.filter((n) => !contactFields.includes(n))} />
            </fieldset>
          )}
          {has(consentFields) && (
            <fieldset className="fields"><legend>{t('consent')}</legend>
              <Fields id="ref" form={shown} values={values} set={set} wrong={wrong} patient={patient} except={names.filter((n) => !consentFields.includes(n))} />
            </fieldset>
          )}
          {has(insuranceFields) && (
            <fieldset className="fields"><legend>{t('insurance')}</legend>
              <Fields id="ref" form={shown} values={values} set={set} wrong={wrong} patient={patient} except={names.filter((n) => !insuranceFields.includes(n))} />
            </fieldset>
          )}
        </div>
      </div>
      <div className="compose-foot">
        {refused !== null && <ErrorState error={refused} compact act />}
        {refused instanceof Refusal && refused.code === 'no-agreement' && !values['by-choice'] && (
          <p className="strip strip-soon" role="note">{t('noAgreement')} <Button size="small" onClick={() => {
            set('by-choice', true);
            setRefused(null);
          }}>{t('ownChoice')}</Button></p>
        )}
        <div className="actions">
          <Button type="primary" size="large" htmlType="submit" loading={busy === 'send'} disabled={!!duplicate}>{t('send')}</Button>
          {flow === 'up' && <Button size="large" loading={busy === 'draft'} onClick={() => void send('draft')}>{t('keep')}</Button>}
          <span className="quiet">{duplicate ? t('duplicateSays') : values.urgency === 'emergency' ? t('effectEmergency') : t('effect')}</span>
        </div>
      </div>
    </form>
  );
}

// OpenBefore shows what is already on its way, before anybody types the same again.
function OpenBefore({ line, rows, failed }: { line: Line; rows: Row[]; failed: unknown }) {
  const t = useWords({ zh, en });
  if (failed) return <p className="strip strip-soon" role="note">{t('openFailed')}</p>;
  if (!rows.length) return null;
  return (
    <div className={rows.some((r) => r.duplicate) ? 'open-before open-duplicate' : 'open-before'} role="note">
      <b>{t('alreadyOpen', { n: rows.length })}</b>
      <ul className="bare">
        {rows.map((r) => (
          <li key={r.task}>
            <UrgencyMark urgency={r.urgency} /> {r.what} · {r.from?.display} → {r.to?.display} <StateMark name={r.stateName} kind={r.stateKind} late={r.late} /> <Due due={r.due} entered={r.enteredAt} />{' '}
            <Link to={`/lines/${line.slug}/cases/${idOf(r.task)}`}>{t('openIt')}</Link>
            {r.duplicate && <b className="late-word"> {t('duplicate')}</b>}
          </li>
        ))}
      </ul>
    </div>
  );
}

// What the system knows nobody types: who coordinates, and the telephone used last time.
function known(form: Form | undefined, name?: string): Values {
  const names = new Set((form?.fields ?? []).map((f) => f.name));
  const values: Values = {};
  if (names.has('coordinator') && name) values.coordinator = name;
  if (names.has('phone')) {
    try {
      values.phone = localStorage.getItem(phoneKey) ?? '';
    } catch {
      values.phone = '';
    }
  }
  return values;
}
function remember(phone: unknown) {
  try {
    if (typeof phone === 'string' && phone) localStorage.setItem(phoneKey, phone);
  } catch {
    // a convenience only
  }
}

const travels = new Set(['document', 'result', 'condition']);
const recent = 30 * 86_400_000;

// usePacketOffered chooses the last month's documents, results and conditions beforehand; the person takes away or adds.
function usePacketOffered(patient: string, wanted: boolean, put: (docs: Pointed[]) => void) {
  const record = usePatient(patient);
  const done = useRef(false);
  const items = record.data?.pages[0]?.timeline;
  useEffect(() => {
    if (done.current || !items) return;
    done.current = true;
    if (!wanted) return;
    const fit = items.filter((i) => travels.has(i.kind) && i.reference);
    const young = fit.filter((i) => i.at && Date.now() - new Date(i.at).getTime() < recent);
    // of an old record: the newest of each kind, so that it is not three figures of one blood count
    const newest = [...travels].flatMap((kind) => fit.filter((i) => i.kind === kind).slice(0, 3));
    const chosen = (young.length ? young : newest).slice(0, 12);
    if (chosen.length) put(chosen.map((i) => ({ reference: i.reference, display: i.title })));
  }, [items, wanted, put]);
}
