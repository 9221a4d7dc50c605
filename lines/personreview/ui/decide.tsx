import { App, Button } from 'antd';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { call, idOf, newKey, post, Refusal } from '../../../web/src/fhir/client';
import { useCaseMoved } from '../../../web/src/fhir/queries';
import type { Form, OpenStep } from '../../../web/src/fhir/types';
import { Reasons, Undo, useNumberKeys, useReasons } from '../../../web/src/patient/why';
import { ErrorState } from '../../../web/src/states/states';
import { useName, useWords } from '../../../web/src/words/words';
import type { PairRow } from './data';
import en from './en.json';
import zh from './zh.json';

// Decide asks why, sends one step with the version that was seen, and says whether somebody was faster.
export function Decide({ row: r, step, onClose, onDone }: { row: PairRow; step: OpenStep; onClose: () => void; onDone: () => void }) {
  const t = useWords({ zh, en });
  const say = useName();
  const moved = useCaseMoved();
  const { message } = App.useApp();
  const given = useReasons(step.form);
  const hospitals = (r.hospitals ?? []).filter((h) => h.reference !== r.owner.reference);
  const [hospital, setHospital] = useState(hospitals[0]?.reference ?? r.hospitals?.[0]?.reference ?? '');
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<unknown>(null);
  const key = useRef(newKey());
  const box = useRef<HTMLFormElement>(null);
  useNumberKeys(given, onClose);
  useEffect(() => box.current?.querySelector<HTMLElement>('button, textarea')?.focus({ preventScroll: false }), []);
  async function send(e: FormEvent) {
    e.preventDefault();
    if (given.missing || busy) return;
    setBusy(true);
    setRefused(null);
    const parameter: Record<string, unknown>[] = [];
    if (given.reason) parameter.push({ name: 'reason', valueCode: given.reason });
    if (given.note.trim()) parameter.push({ name: 'note', valueString: given.note.trim() });
    if (step.do === 'ask') parameter.push({ name: 'hospital', valueReference: { reference: hospital } });
    if ((step.do === 'accept' || step.do === 'reject') && r.pairVersion) parameter.push({ name: 'seen', valueString: r.pairVersion });
    try {
      await call(`/fhir/${r.task}/$${step.do}`, { method: 'POST', body: { resourceType: 'Parameters', parameter }, headers: { 'Idempotency-Key': key.current, 'If-Match': `W/"${r.version}"` } });
      void message.success(t('did', { step: say(step.name) }));
      onDone();
      moved();
    } catch (error) {
      key.current = newKey();
      setRefused(error);
      if (error instanceof Refusal && (error.status === 409 || error.status === 412)) moved();
    } finally {
      setBusy(false);
    }
  }
  return (
    <form className="step-form decide" ref={box} onSubmit={send} noValidate aria-label={say(step.name)} onKeyDown={(e) => {
      if (e.key === 'Enter' && ((e.target as HTMLElement).tagName !== 'TEXTAREA' || e.ctrlKey) && !(e.target as HTMLElement).closest('.actions') && given.reason) {
        e.preventDefault();
        box.current?.requestSubmit();
      }
    }}>
      <h2>{say(step.name)}</h2>
      {say(step.effect) && <p className="effect">{say(step.effect)}</p>}
      {step.do === 'ask' && (r.hospitals ?? []).length > 0 && (
        <div className="reasons" role="radiogroup" aria-label={t('whom')}>
          {(r.hospitals ?? []).map((h) => <button key={h.reference} type="button" role="radio" aria-checked={hospital === h.reference} className={hospital === h.reference ? 'reason reason-at' : 'reason'} onClick={() => setHospital(h.reference ?? '')}>{h.display}</button>)}
        </div>
      )}
      <Reasons of={given} id={`do-${step.do}`} />
      {refused !== null && <ErrorState error={refused} compact />}
      <div className="actions">
        <Button type="primary" htmlType="submit" loading={busy} disabled={given.missing}>{t('confirm', { step: say(step.name) })}</Button>
        <Button onClick={onClose}>{t('cancel')}</Button>
      </div>
    </form>
  );
}

// TakeBack undoes a decision, with a reason.
export function TakeBack({ row: r, form, onDone }: { row: PairRow; form: Form; onDone: () => void }) {
  const t = useWords({ zh, en });
  const [open, setOpen] = useState(false);
  if (!open) return <div className="pair-choices"><Button danger onClick={() => setOpen(true)}>{t(`back.${r.state}`)}</Button></div>;
  return <Undo title={t(`back.${r.state}`)} effect={t(`backEffect.${r.state}`)} form={form} onClose={() => setOpen(false)}
    send={(body) => post(`/api/pairs/${idOf(r.task)}/take-back`, body)} onDone={onDone} />;
}
