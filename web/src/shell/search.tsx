import SearchOutlined from '@ant-design/icons/es/icons/SearchOutlined';
import { Input, type InputRef } from 'antd';
import { useDeferredValue, useEffect, useId, useRef, useState, type KeyboardEvent } from 'react';
import { Link, useNavigate } from 'react-router';
import { idOf } from '../fhir/client';
import { useLines, usePatients } from '../fhir/queries';
import type { PatientRow } from '../fhir/types';
import { BreakGlass, whole } from '../patient/reasons';
import { useSex } from '../patient/sex';
import { ErrorState } from '../states/states';
import { useWords } from '../words/words';
import en from './en.json';
import zh from './zh.json';

// PatientSearch opens a patient from anywhere: `/` focuses it, arrows choose, Enter opens.
export function PatientSearch({ onPick, autoFocus, global = true }: { onPick?: (p: PatientRow) => void; autoFocus?: boolean; global?: boolean }) {
  const t = useWords({ zh, en });
  const sex = useSex();
  const go = useNavigate();
  const id = useId();
  const input = useRef<InputRef>(null);
  const box = useRef<HTMLDivElement>(null);
  const [typed, setTyped] = useState('');
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(0);
  const slow = useLater(useDeferredValue(typed.trim()), 180);
  const found = usePatients(slow);
  const rows = slow ? (found.data ?? []) : [];
  const mayRegister = useLines().data?.some((l) => l.slug === 'unknown' && l.start?.length);

  useEffect(() => {
    if (!global) return;
    const focus = (e: globalThis.KeyboardEvent) => {
      if (e.key !== '/' || e.ctrlKey || e.metaKey || e.altKey || typing(e.target)) return;
      e.preventDefault();
      input.current?.focus({ cursor: 'all' });
    };
    window.addEventListener('keydown', focus);
    return () => window.removeEventListener('keydown', focus);
  }, [global]);
  useEffect(() => {
    const away = (e: MouseEvent) => !box.current?.contains(e.target as Node) && !(e.target as Element).closest?.('.ant-modal-root, .ant-select-dropdown') && setOpen(false);
    window.addEventListener('mousedown', away);
    return () => window.removeEventListener('mousedown', away);
  }, []);
  useEffect(() => setAt(0), [slow]);

  // Enter before the answer opens the patient when the answer is one; of several a person chooses.
  const eager = useRef('');
  const answered = slow === typed.trim() && !found.isFetching && !found.isPlaceholderData ? found.data : undefined;
  useEffect(() => {
    if (!answered || !eager.current) return;
    const only = eager.current === slow && answered.length === 1 ? answered[0] : undefined;
    eager.current = '';
    if (only) pick(only);
  });

  function pick(p: PatientRow) {
    setOpen(false);
    setTyped('');
    input.current?.blur();
    if (onPick) onPick(p);
    else go(`/patients/${idOf(p.reference)}`);
  }
  function key(e: KeyboardEvent) {
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      e.preventDefault();
      setOpen(true);
      setAt((n) => Math.min(Math.max(0, n + (e.key === 'ArrowDown' ? 1 : -1)), Math.max(0, rows.length - 1)));
    } else if (e.key === 'Enter' && answered?.[at]) {
      e.preventDefault();
      pick(answered[at]);
    } else if (e.key === 'Enter' && typed.trim() && !answered) {
      e.preventDefault();
      eager.current = typed.trim();
    } else if (e.key === 'Escape') {
      setOpen(false);
      input.current?.blur();
    }
  }
  const showing = open && typed.trim() !== '';
  return (
    <div className="search" ref={box}>
      <Input ref={input} value={typed} autoFocus={autoFocus} allowClear prefix={<SearchOutlined aria-hidden />}
        suffix={global && !typed ? <kbd className="not-phone" aria-hidden>/</kbd> : undefined}
        placeholder={t('search')} role="combobox" aria-label={t('searchShort')} aria-expanded={showing}
        aria-controls={`${id}-list`} aria-activedescendant={showing && rows[at] ? `${id}-${at}` : undefined} aria-autocomplete="list" autoComplete="off"
        onChange={(e) => {
          eager.current = '';
          setTyped(e.target.value);
          setOpen(true);
        }}
        onFocus={() => setOpen(true)} onKeyDown={key} />
      {showing && (
        <div className="search-found">
          {found.error ? <ErrorState error={found.error} compact onRetry={() => void found.refetch()} />
            : found.isLoading || slow !== typed.trim() ? <p className="quiet pad" role="status">{t('searching')}</p>
            : rows.length === 0 ? (
              <p className="quiet pad" role="status">{t('searchNone', { q: slow })} {mayRegister && <Link to="/lines/unknown/new" onClick={() => setOpen(false)}>{t('registerUnknown')}</Link>} {global && whole(slow) && (
                <BreakGlass identifier={slow.toUpperCase()} onOpened={(reference) => {
                  setOpen(false);
                  setTyped('');
                  go(`/patients/${idOf(reference)}`);
                }} />
              )}</p>
            )
            : null}
          <ul className="bare" id={`${id}-list`} role="listbox" aria-label={t('searchShort')}>
            {rows.map((p, i) => (
              <li key={p.reference} id={`${id}-${i}`} role="option" aria-selected={i === at}
                className={i === at ? 'hit hit-at' : 'hit'} onMouseEnter={() => setAt(i)} onMouseDown={(e) => e.preventDefault()} onClick={() => pick(p)}>
                <strong>{p.name}</strong>
                <span>{sex(p.sex)} {p.age}</span>
                <span className="quiet num">{p.idMasked}</span>
                <span className="quiet num">{p.phoneMasked}</span>
                <span className="quiet hit-org">{p.org?.display}</span>
              </li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}

export function typing(target: EventTarget | null) {
  const e = target as HTMLElement | null;
  return !!e?.closest?.('input, textarea, select, [contenteditable="true"], .ant-select');
}

function useLater<V>(value: V, ms: number): V {
  const [later, setLater] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setLater(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return later;
}
