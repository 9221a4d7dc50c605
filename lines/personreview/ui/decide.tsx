import { App, Button, Input } from 'antd';
import { useEffect, useRef, useState, type FormEvent } from 'react';
import { call, idOf, newKey, post, Refusal } from '../../../web/src/fhir/client';
import { useCaseMoved } from '../../../web/src/fhir/queries';
import type { Form, OpenStep } from '../../../web/src/fhir/types';
import { ErrorState } from '../../../web/src/states/states';
import { useName, useWords } from '../../../web/src/words/words';
import type { PairRow } from './data';
import en from './en.json';
import zh from './zh.json';

// Reasons are quick choices by number key, and free words.
function useReasons(form?: Form) {
  const fields = form?.fields ?? [];
  const reasons = fields.find((f) => f.name === 'reason')?.options ?? [];
  const noteField = fields.find((f) => f.name === 'note');
  const [reason, setReason] = useState('');
  const [note, setNote] = useState('');
  const missing = (reasons.length > 0 && !reason) || (!!noteField?.required && !note.trim()) || (reason === 'other' && !note.trim());
  return { reasons, noteField, reason, setReason, note, setNote, missing };
}

type Given = ReturnType<typeof useReasons>;

function Reasons({ of: r, id }: { of: Given; id: string }) {
  const t = useWords({ zh, en });
  const say = useName();
  return (
    <>
      {r.reasons.length > 0 && (
        <div className="reasons" role="radiogroup" aria-label={t('reason')}>
          {r.reasons.map((o, i) => (
            <button key={o.code} type="button" role="radio" aria-checked={r.reason === o.code} className={r.reason === o.code ? 'reason reason-at' : 'reason'} onClick={() => r.setReason(o.code)}>
              <kbd aria-hidden>{i + 1}</kbd> {say(o.name)}
            </button>
          ))}
        </div>
      )}
      {r.noteField && (
        <div className="field field-wide">
          <label htmlFor={`${id}-note`}>{say(r.noteField.label)}{(r.noteField.required || r.reason === 'other') && <span className="required" aria-hidden> *</span>}</label>
          <Input.TextArea id={`${id}-note`} value={r.note} onChange={(e) => r.setNote(e.target.value)} rows={2} maxLength={1000} />
        </div>
      )}
    </>
  );
}

function useNumberKeys(r: Given, onClose: () => void) {
  const { reasons, setReason } = r;
  useEffect(() => {
    const press = (e: KeyboardEvent) => {
      const there = e.target as HTMLElement | null;
      if (e.key === 'Escape') {
        onClose();
        e.preventDefault();
        return;
      }
      if (e.ctrlKey || e.metaKey || e.altKey || there?.closest?.('input, textarea, select')) return;
      const chosen = reasons[Number(e.key) - 1];
      if (!chosen) return;
      setReason(chosen.code);
      e.preventDefault();
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, [reasons, setReason, onClose]);
}

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

interface UndoProps { title: string; effect: string; form?: Form; onClose: () => void; send: (body: { reason: string; note: string }) => Promise<unknown>; onDone: () => void }

function Undo({ title, effect, form, onClose, send, onDone }: UndoProps) {
  const t = useWords({ zh, en });
  const moved = useCaseMoved();
  const { message } = App.useApp();
  const given = useReasons(form);
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<unknown>(null);
  useNumberKeys(given, onClose);
  async function go(e: FormEvent) {
    e.preventDefault();
    if (given.missing || busy) return;
    setBusy(true);
    setRefused(null);
    try {
      await send({ reason: given.reason, note: given.note.trim() });
      void message.success(t('did', { step: title }));
      onClose();
      onDone();
      moved();
    } catch (error) {
      setRefused(error);
    } finally {
      setBusy(false);
    }
  }
  return (
    <form className="step-form decide" onSubmit={go} noValidate aria-label={title}>
      <h2>{title}</h2>
      <p className="effect">{effect}</p>
      <Reasons of={given} id="undo" />
      {refused !== null && <ErrorState error={refused} compact />}
      <div className="actions">
        <Button danger type="primary" htmlType="submit" loading={busy} disabled={given.missing}>{title}</Button>
        <Button onClick={onClose}>{t('cancel')}</Button>
      </div>
    </form>
  );
}
