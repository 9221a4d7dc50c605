import { App, Button, Input } from 'antd';
import { useEffect, useState, type FormEvent } from 'react';
import { useCaseMoved } from '../fhir/queries';
import type { Form } from '../fhir/types';
import { ErrorState } from '../states/states';
import { useName, useWords } from '../words/words';
import en from './person.en.json';
import './person.css';
import zh from './person.zh.json';

// Reasons are quick choices by number key, and free words.
export function useReasons(form?: Form) {
  const fields = form?.fields ?? [];
  const reasons = fields.find((f) => f.name === 'reason')?.options ?? [];
  const noteField = fields.find((f) => f.name === 'note');
  const [reason, setReason] = useState('');
  const [note, setNote] = useState('');
  const missing = (reasons.length > 0 && !reason) || (!!noteField?.required && !note.trim()) || (reason === 'other' && !note.trim());
  return { reasons, noteField, reason, setReason, note, setNote, missing };
}

export type Given = ReturnType<typeof useReasons>;

export function Reasons({ of: r, id }: { of: Given; id: string }) {
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

export function useNumberKeys(r: Given, onClose: () => void) {
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

interface UndoProps { title: string; effect: string; form?: Form; onClose: () => void; send: (body: { reason: string; note: string }) => Promise<unknown>; onDone: () => void }

// Undo takes something back, with a reason.
export function Undo({ title, effect, form, onClose, send, onDone }: UndoProps) {
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
