import CheckOutlined from '@ant-design/icons/es/icons/CheckOutlined';
import { useEffect, useRef } from 'react';
import type { Flow, PathStep, Row } from '../fhir/types';
import { isoSpan, spanOf, timeOf, useNow } from '../words/time';
import { useName, useWords } from '../words/words';
import en from './en.json';
import { Due } from './marks';
import zh from './zh.json';

interface Stop { code: string; label: string; at?: string; stayed?: string; now: boolean; past: boolean; skipped: boolean; end?: boolean }

// stopsOf lays the case's path on the flow's straight way; where the case left it, its last state stands at the end.
export function stopsOf(flow: Flow | undefined, row: Row, path: PathStep[], say: (n: Row['stateName']) => string): Stop[] {
  const main = (flow?.states ?? []).filter((s) => s.main);
  const seen = new Map(path.map((p) => [p.state, p]));
  const here = main.findIndex((s) => s.code === row.state);
  const reached = main.reduce((n, s, i) => (seen.has(s.code) ? i : n), -1);
  const off = here < 0;
  const stops: Stop[] = main.map((s, i) => {
    const p = seen.get(s.code);
    const now = s.code === row.state;
    const past = !now && (off ? !!p : i < here);
    return { code: s.code, label: say(s.name), at: p?.at, stayed: p?.stayed, now, past, skipped: past && !p };
  });
  if (!off) return stops;
  const last = seen.get(row.state);
  const left: Stop = {
    code: row.state, label: say(row.stateName), at: last?.at ?? row.enteredAt, now: true, past: false, skipped: false, end: row.stateKind !== 'open',
  };
  return left.end ? [...stops.slice(0, reached + 1), left] : [...stops.slice(0, reached + 1), left, ...stops.slice(reached + 1)];
}

export function StepBar({ flow, row, path }: { flow?: Flow; row: Row; path: PathStep[] }) {
  const t = useWords({ zh, en });
  const say = useName();
  const now = useNow();
  const stops = stopsOf(flow, row, path, say);
  const bar = useRef<HTMLOListElement>(null);
  useEffect(() => { // on a narrow screen the bar begins where the case stands
    const here = bar.current?.querySelector<HTMLElement>('[aria-current]');
    if (bar.current && here) bar.current.scrollLeft = here.offsetLeft - bar.current.offsetLeft - bar.current.clientWidth / 3;
  }, [row.task, row.state]);
  return (
    <ol ref={bar} className="steps" aria-label={t('steps')} tabIndex={0}>
      {stops.map((s, i) => (
        <li key={s.code + i} aria-current={s.now ? 'step' : undefined}
          className={['step', s.past ? 'step-past' : '', s.now ? `step-now step-${row.late ? 'late' : row.stateKind}` : '', s.skipped ? 'step-skipped' : ''].join(' ')}>
          <span className="step-dot" aria-hidden>{s.past && !s.skipped ? <CheckOutlined /> : i + 1}</span>
          <span className="step-name">{s.label}{s.past && !s.skipped && <span className="sr"> {t('stepDone')}</span>}</span>
          <span className="step-time num">
            {s.at ? timeOf(s.at) : ''}
            {s.now && row.stateKind === 'open' && s.at ? <span className="quiet">{spanOf(now - new Date(s.at).getTime())}</span>
              : s.stayed ? <span className="quiet">{isoSpan(s.stayed)}</span> : null}
          </span>
          {s.now && row.stateKind === 'open' && row.due && <Due due={row.due} entered={row.enteredAt} />}
        </li>
      ))}
    </ol>
  );
}
