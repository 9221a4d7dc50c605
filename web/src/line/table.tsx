import { useCallback, useEffect, useRef, useState } from 'react';
import { useLines } from '../fhir/queries';
import type { Row } from '../fhir/types';
import { ageOf, useSex } from '../patient/sex';
import { typing } from '../shell/search';
import { useLang, useName, useWords } from '../words/words';
import en from './en.json';
import { Due, StateMark, UrgencyMark } from './marks';
import zh from './zh.json';

interface Props {
  label: string;
  rows: Row[];
  at?: string;
  onMove?: (row: Row) => void;
  onOpen: (row: Row) => void;
  onHelp?: () => void;
  compact?: boolean;
  keys?: boolean;
  page?: string;
}

// CaseTable is the worklist: j k move, Enter opens, and nothing jumps under the pointer.
export function CaseTable({ label, rows, at, onMove, onOpen, onHelp, compact, keys = true, page = '' }: Props) {
  const t = useWords({ zh, en });
  const [over, setOver] = useState(false);
  const { shown, waiting, fresh } = useHeld(rows, over, page);
  const body = useRef<HTMLTableSectionElement>(null);

  const move = useCallback((by: number) => {
    if (!shown.length) return;
    const i = shown.findIndex((r) => r.task === at);
    const next = shown[Math.min(shown.length - 1, Math.max(0, i < 0 ? 0 : i + by))];
    if (next) onMove?.(next);
  }, [shown, at, onMove]);

  useEffect(() => {
    if (!keys) return;
    const press = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || e.altKey || typing(e.target)) return;
      if (document.querySelector('.ant-modal-wrap:not([style*="display: none"])')) return;
      const onButton = (e.target as HTMLElement | null)?.closest?.('button, a, [role="menuitem"], [role="tab"]');
      if (e.key === 'j' || (e.key === 'ArrowDown' && !onButton)) move(1);
      else if (e.key === 'k' || (e.key === 'ArrowUp' && !onButton)) move(-1);
      else if (e.key === 'Enter' && !onButton) {
        const row = shown.find((r) => r.task === at);
        if (!row) return;
        onOpen(row);
      } else if (e.key === '?') onHelp?.();
      else return;
      e.preventDefault();
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, [keys, move, shown, at, onOpen, onHelp]);

  useEffect(() => {
    body.current?.querySelector('[aria-current="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [at]);

  return (
    <div className="list-scroll">
      {waiting > 0 && <div className="held" role="status">{t('held', { n: waiting })}</div>}
      <table className={compact ? 'cases cases-compact' : 'cases'} aria-label={label} role="table">
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col" className="c-urgency">{t('urgency')}</th>
            <th role="columnheader" scope="col" className="c-patient">{t('patient')}</th>
            <th role="columnheader" scope="col" className="c-what">{t('what')}</th>
            {!compact && <th role="columnheader" scope="col" className="c-way">{t('way')}</th>}
            <th role="columnheader" scope="col" className="c-state">{t('state')}</th>
            <th role="columnheader" scope="col" className="c-due">{t('due')}</th>
            {!compact && <th role="columnheader" scope="col" className="c-actor">{t('actor')}</th>}
          </tr>
        </thead>
        <tbody role="rowgroup" ref={body} onMouseEnter={() => setOver(true)} onMouseLeave={() => setOver(false)}>
          {shown.map((r) => (
            <CaseRow key={r.task} row={r} compact={!!compact} current={r.task === at} isNew={fresh.has(r.task)} onOpen={onOpen} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function CaseRow({ row: r, compact, current, isNew, onOpen }: {
  row: Row; compact: boolean; current: boolean; isNew: boolean; onOpen: (r: Row) => void;
}) {
  const t = useWords({ zh, en });
  const lang = useLang();
  const sex = useSex();
  const kind = useKind(r);
  const within = !!r.from?.reference && r.from.reference === r.to?.reference;
  const cls = [r.late && r.stateKind === 'open' ? 'row-late' : '', isNew ? 'row-new' : '', r.stateKind !== 'open' ? 'row-over' : ''].join(' ');
  return (
    <tr role="row" className={cls} aria-current={current ? 'true' : undefined} onClick={() => onOpen(r)}>
      <td role="cell" className="c-urgency"><UrgencyMark urgency={r.urgency} /></td>
      <td role="cell" className="c-patient">
        <button type="button" className="row-open" onClick={(e) => {
          e.stopPropagation();
          onOpen(r);
        }}>{r.patient?.reference ? r.patient.name || t('noName') : kind || t('noPatient')}</button>
        {r.patient?.reference && <span className="quiet"> {sex(r.patient.sex)} {ageOf(r.patient.age, r.patient.birthDate, lang)}</span>}
      </td>
      <td role="cell" className="c-what" title={r.what}>{r.what}</td>
      {!compact && (
        <td role="cell" className="c-way" title={within ? r.to?.display : `${r.from?.display ?? ''} → ${r.to?.display ?? ''}`}>
          {within ? r.to?.display : <span className="way"><span>{r.from?.display}</span><span className="arrow" aria-label={t('to')} role="img">→</span><span>{r.to?.display}</span></span>}
        </td>
      )}
      <td role="cell" className="c-state"><StateMark name={r.stateName} kind={r.stateKind} late={r.late} /></td>
      <td role="cell" className="c-due"><Due due={r.due} entered={r.enteredAt} kind={r.stateKind} /></td>
      {!compact && (
        <td role="cell" className="c-actor" title={r.actor?.display}>
          {r.mine && r.stateKind === 'open' ? <b>{t('mine')}</b> : (r.actor?.display ?? '–')}
        </td>
      )}
    </tr>
  );
}

// useKind says what sort of case it is, where no patient does.
function useKind(r: Row) {
  const say = useName();
  const lines = useLines().data ?? [];
  const line = lines.find((l) => l.slug === r.line) ?? lines.find((l) => l.flows?.some((f) => f.code === r.flow));
  return say(line?.flows?.find((f) => f.code === r.flow)?.name ?? line?.name);
}

interface Shown { page: string; seen: Row[]; from: Row[]; over: boolean; shown: Row[]; waiting: number; fresh: Set<string> }

// useHeld keeps the order of the rows while the pointer is over them: what is known changes in place, what is new
// waits (unless it comes after the last row), and slides in when the pointer leaves.
export function useHeld(rows: Row[], over: boolean, page: string) {
  const [was, setWas] = useState<Shown>(() => ({ page, seen: rows, from: rows, over, shown: rows, waiting: 0, fresh: new Set() }));
  if (was.from === rows && was.over === over && was.page === page) return was;
  let next: Shown;
  const known = new Set(was.seen.map((r) => r.task));
  if (was.page !== page) {
    next = { page, seen: rows, from: rows, over, shown: rows, waiting: 0, fresh: new Set() };
  } else if (!over) {
    next = { page, seen: rows, from: rows, over, shown: rows, waiting: 0, fresh: new Set(was.seen.length ? rows.filter((r) => !known.has(r.task)).map((r) => r.task) : []) };
  } else {
    const now = new Map(rows.map((r) => [r.task, r]));
    const kept = was.shown.map((r) => now.get(r.task) ?? r);
    const there = new Set(kept.map((r) => r.task));
    const last = rows.reduce((n, r, i) => (there.has(r.task) ? i : n), -1);
    const after = rows.slice(last + 1);
    next = {
      page, seen: was.seen, from: rows, over, shown: [...kept, ...after],
      waiting: rows.slice(0, last + 1).filter((r) => !there.has(r.task)).length, fresh: new Set(),
    };
  }
  setWas(next);
  return next;
}
