import CheckOutlined from '@ant-design/icons/es/icons/CheckOutlined';
import { useEffect, useRef } from 'react';
import type { Flow, PathStep, Row } from '../fhir/types';
import { isoSpan, spanOf, timeOf, useNow } from '../words/time';
import { useName, useWords } from '../words/words';
import en from './en.json';
import { Due } from './marks';
import zh from './zh.json';

interface Stop { code: string; label: string; at?: string; stayed?: string; now: boolean; past: boolean; skipped: boolean; end?: boolean }

// stopsOf lays the case's path on the flow's straight way. What it passed beside that way stands where it passed it, in the
// place of what it did not pass; where it left the way, its last state stands at the end.
export function stopsOf(flow: Flow | undefined, row: Row, path: PathStep[], say: (n: Row['stateName']) => string): Stop[] {
  const main = (flow?.states ?? []).filter((s) => s.main);
  const seen = new Map(path.map((p) => [p.state, p]));
  const first = (code: string) => path.findIndex((p) => p.state === code);
  const last = (code: string) => path.map((p) => p.state).lastIndexOf(code);
  const here = main.findIndex((s) => s.code === row.state);
  const reached = main.reduce((n, s, i) => (seen.has(s.code) ? i : n), -1);
  const off = here < 0;
  const onWay = new Set(main.map((s) => s.code));
  const beside = (from: number, to: number): Stop[] => path.slice(from, to)
    .filter((p, i) => !onWay.has(p.state) && p.state !== row.state && last(p.state) === from + i)
    .map((p) => ({ code: p.state, label: say(p.stateName), at: p.at, stayed: p.stayed, now: false, past: true, skipped: false }));
  const stops: Stop[] = [];
  let left = -1; // of the path, where the last stop of the way was left
  let passed: Stop[] = []; // over without a visit, since then
  const end = off ? reached : Math.max(here, reached);
  main.slice(0, end + 1).forEach((s, i) => {
    const p = seen.get(s.code);
    const now = s.code === row.state;
    const stop: Stop = { code: s.code, label: say(s.name), at: p?.at, stayed: p?.stayed, now, past: !now && (off ? !!p : i < here), skipped: !now && !p && (off || i < here) };
    if (!p && !now) return void passed.push(stop);
    const detour = left < 0 ? [] : beside(left + 1, p ? first(s.code) : path.length);
    stops.push(...(detour.length ? detour : passed), stop);
    passed = [];
    if (p) left = last(s.code);
  });
  const ahead = (from: number) => main.slice(from).map((s): Stop => ({ code: s.code, label: say(s.name), now: false, past: false, skipped: false }));
  if (!off) return [...stops, ...ahead(end + 1)];
  const p = seen.get(row.state);
  const stands: Stop = { code: row.state, label: say(row.stateName), at: p?.at ?? row.enteredAt, now: true, past: false, skipped: false, end: row.stateKind !== 'open' };
  stops.push(...(left < 0 ? [] : beside(left + 1, path.length)), stands);
  return stands.end ? stops : [...stops, ...ahead(back(flow!, main, row.state, reached + 1))];
}

// back is where a case beside the straight way comes to it again: the first of its states, from one on, to which steps lead.
function back(flow: Flow, main: Flow['states'], state: string, from: number): number {
  const known = new Set([state]);
  let best = main.length;
  for (const at of known) {
    for (const to of flow.steps.filter((s) => s.from.includes(at)).map((s) => s.to)) {
      const i = main.findIndex((s) => s.code === to);
      if (i >= from) best = Math.min(best, i);
      else if (i < 0) known.add(to);
    }
  }
  return best < main.length ? best : from;
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
