import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Checkbox, Progress, Segmented, Select } from 'antd';
import { useEffect, useState } from 'react';
import { call, get } from '../../../web/src/fhir/client';
import type { Name } from '../../../web/src/fhir/types';
import { EmptyState, ErrorState, Loading } from '../../../web/src/states/states';
import { timeOf } from '../../../web/src/words/time';
import { useName, useWords } from '../../../web/src/words/words';
import type { TabProps } from './page';
import en from './simulate.en.json';
import { Intervals, Sweep } from './simulate-plots';
import { Beside, Past } from './simulate-past';
import zh from './simulate.zh.json';
import './simulate.css';

// What POST and GET /api/beds/simulate say. Waits are hours, shares 0 to 1; an interval is 95 % over the seeds.
export interface Interval { mean: number; low: number; high: number; n: number }
export interface Outcome {
  policy: string; zh: string; en: string; figures: Record<string, Interval>; against?: Record<string, Interval> | null;
  refusedWhy?: Record<string, Interval> | null; wards?: { name: string; beds: number; occupancy: Interval }[] | null;
}
export interface Report { beds: number; wards: number; days: number; warmupDays: number; seeds: number; admissions: Interval; settings: { reserve: number; policies: Outcome[] }[] }
export interface Asked { source: 'region' | 'history'; pool?: string; days: number; seeds: number; load?: number; policies?: string[]; reserves?: number[]; home?: boolean }
export interface Simulation {
  id: string; state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled'; done: number; of: number; asked: Asked; name: Name; report?: Report; error?: Name;
  by: string; role: string; mine: boolean; seat: string; since: string; ended?: string;
}

export const open = (s?: Simulation) => s?.state === 'waiting' || s?.state === 'running';
const steps = [0, 5, 10, 20, 30];

export const hours = (h: number) => (Math.abs(h) >= 100 ? h.toFixed(0) : Math.abs(h) >= 1 ? h.toFixed(1) : h.toFixed(2));
export const percent = (s: number) => `${(100 * s).toFixed(Math.abs(s) < 0.01 ? 2 : 1)}%`;

export const useSimulation = (id?: string) => useQuery({
  queryKey: ['beds', 'simulation', id], enabled: !!id, queryFn: ({ signal }) => get<Simulation>(`/api/beds/simulate/${id}`, signal),
  refetchInterval: (q) => (open(q.state.data) ? 700 : false), // it ends within minutes
});

// What would it change? The same patients under several ways of giving out beds, and how many beds to keep for emergencies.
export default function SimulateTab({ pool }: TabProps) {
  const t = useWords({ zh, en });
  const say = useName();
  const client = useQueryClient();
  const [question, setQuestion] = useState<'compare' | 'reserve'>('compare');
  const [asked, setAsked] = useState<Asked>({ source: 'region', days: 365, seeds: 10, load: 0.92, home: false });
  const set = (more: Partial<Asked>) => setAsked((a) => ({ ...a, ...more }));
  const [chosen, choose] = useState<string>();
  const [view, setView] = useState<'result' | 'past' | 'beside'>('result');
  const [two, setTwo] = useState<string[]>([]);
  const all = useQuery({ queryKey: ['beds', 'simulations'], queryFn: ({ signal }) => get<{ simulations: Simulation[] | null }>('/api/beds/simulate', signal), staleTime: 15_000 });
  const list = all.data?.simulations ?? [];
  const id = chosen ?? list.find((s) => s.mine)?.id ?? list[0]?.id;
  const one = useSimulation(id);
  const begin = useMutation({
    mutationFn: () => call<Simulation>('/api/beds/simulate', { method: 'POST', body: {
      ...asked, load: asked.source === 'region' ? asked.load : undefined, pool: asked.source === 'history' ? pool.id : undefined,
      policies: question === 'reserve' ? ['pool', 'weighted'] : undefined, reserves: question === 'reserve' ? steps : undefined,
    } }),
    onSuccess: (s) => {
      client.setQueryData<{ simulations: Simulation[] | null }>(['beds', 'simulations'], (was) => ({ simulations: [s, ...(was?.simulations ?? [])] }));
      choose(s.id);
      setView('result');
    },
  });
  const stop = useMutation({ mutationFn: () => call(`/api/beds/simulate/${id}`, { method: 'DELETE' }), onSettled: () => void one.refetch() });
  const now = one.data ?? (begin.data?.id === id ? begin.data : undefined);
  const busy = (open(now) && now!.mine) || begin.isPending;
  const ended = now && !open(now) ? now.id : '';
  useEffect(() => { // the list says running until it is asked again
    if (ended) void client.invalidateQueries({ queryKey: ['beds', 'simulations'] });
  }, [client, ended]);
  return (
    <section className="simulate" aria-label={t('title')}>
      <form className="filters simulate-form" onSubmit={(e) => {
        e.preventDefault();
        begin.mutate();
      }}>
        <Segmented<'compare' | 'reserve'> size="small" aria-label={t('question')} value={question} onChange={(v) => setQuestion(v)} options={[{ value: 'compare', label: t('compare') }, { value: 'reserve', label: t('reserve') }]} />
        <Select size="small" aria-label={t('source')} value={asked.source} popupMatchSelectWidth={false} onChange={(source) => set({ source })} options={[{ value: 'region', label: t('region') }, { value: 'history', label: t('history', { pool: pool.name }) }]} />
        <Select size="small" aria-label={t('days')} value={asked.days} popupMatchSelectWidth={false} onChange={(days) => set({ days })} options={[90, 365, 730].map((n) => ({ value: n, label: t('nDays', { n }) }))} />
        {asked.source === 'region' && <Select size="small" aria-label={t('load')} value={asked.load} popupMatchSelectWidth={false} onChange={(load) => set({ load })} options={[0.8, 0.85, 0.9, 0.92, 0.95, 1].map((n) => ({ value: n, label: t('nLoad', { n: Math.round(n * 100) }) }))} />}
        <Select size="small" aria-label={t('seeds')} value={asked.seeds} popupMatchSelectWidth={false} onChange={(seeds) => set({ seeds })} options={[5, 10, 20, 40].map((n) => ({ value: n, label: t('nSeeds', { n }) }))} />
        <Checkbox checked={asked.home} onChange={(e) => set({ home: e.target.checked })}>{t('home')}</Checkbox>
        <Button type="primary" size="small" htmlType="submit" disabled={busy}>{t('begin')}</Button>
        {open(now) && now!.mine && <Button size="small" loading={stop.isPending} onClick={() => stop.mutate()}>{t('stop')}</Button>}
        {list.length > 0 && <Button size="small" type="link" aria-pressed={view !== 'result'} onClick={() => setView(view === 'result' ? 'past' : 'result')}>{view === 'result' ? t('past', { n: list.length }) : t('back')}</Button>}
      </form>
      {begin.error && <ErrorState compact act error={begin.error} />}
      {open(now) && (
        <div className="simulate-progress" role="status">
          <Progress percent={now!.of ? Math.round((100 * now!.done) / now!.of) : 0} size="small" aria-label={t('progress')} />
          <span className="quiet small">{t(now!.state === 'waiting' ? 'inTurn' : 'playing', { done: now!.done, of: now!.of })}</span>
        </div>
      )}
      {all.error ? <ErrorState error={all.error} onRetry={() => void all.refetch()} />
        : view === 'past' ? <Past list={list} shown={id} two={two} onTwo={setTwo} onBeside={() => setView('beside')} onOpen={(s) => {
          choose(s);
          setView('result');
        }} />
        : view === 'beside' && two.length === 2 ? <Beside ids={two as [string, string]} />
        : all.isPending || (id && one.isPending) ? <Loading rows={10} />
        : now?.report ? <Shown report={now.report} name={say(now.name)} load={now.asked.load} who={now} />
        : open(now) ? null
        : now?.state === 'failed' ? <EmptyState title={t('failed')} hint={say(now.error)} />
        : now?.state === 'cancelled' ? <EmptyState title={t('stopped')} hint={t('emptyHint')} />
        : <EmptyState title={t('empty')} hint={t('emptyHint')} />}
    </section>
  );
}

export const panels: { figure: string; write: (v: number) => string }[] = [
  { figure: 'wait.mean', write: hours }, { figure: 'wait.emergency.mean', write: hours }, { figure: 'emergency.over4h', write: percent },
  { figure: 'wait.urgent.mean', write: hours }, { figure: 'wait.cancer.mean', write: hours }, { figure: 'wait.elective.mean', write: hours },
  { figure: 'wait.p90', write: hours }, { figure: 'wait.transfer.mean', write: hours }, { figure: 'occupancy', write: percent },
  { figure: 'refused', write: percent }, { figure: 'crossward', write: percent }, { figure: 'promise', write: percent },
];

export function Shown({ report, name, load, who }: { report: Report; name: string; load?: number; who?: Simulation }) {
  const t = useWords({ zh, en });
  const say = useName();
  const one = report.settings[0]!;
  const [base, last] = [one.policies[0], one.policies.at(-1)];
  const less = last?.against?.['wait.mean'];
  return (
    <div className="simulate-shown" tabIndex={0} role="region" aria-label={t('result')}>
      <p className="simulate-what small quiet">
        {name} · {t('what', { beds: report.beds, wards: report.wards, days: Math.round(report.days), warmup: Math.round(report.warmupDays), seeds: report.seeds, n: Math.round(report.admissions.mean) })}
        {load ? ` · ${t('nLoad', { n: Math.round(load * 100) })}` : ''}
        {who ? ` · ${t('asker', { by: who.by, at: timeOf(who.since) })}` : ''}
      </p>
      {report.settings.length > 1 ? <Reserves report={report} /> : (
        <>
          {less && base && last && (
            <p className="simulate-says">
              {t('says', { base: say(base), last: say(last), from: hours(base.figures['wait.mean']!.mean), to: hours(last.figures['wait.mean']!.mean) })}
              {less.n > 1 && ` ${t('saysInterval', { mean: hours(less.mean), low: hours(less.low), high: hours(less.high) })}`}
            </p>
          )}
          <div className="simulate-panels">
            {panels.filter((p) => one.policies.some((o) => o.figures[p.figure]?.n)).map((p) => (
              <Intervals key={p.figure} title={t(`figure.${p.figure}`)} write={p.write} rows={one.policies.filter((o) => o.figures[p.figure]?.n).map((o) => ({ name: say(o), value: o.figures[p.figure]! }))} />
            ))}
          </div>
          <Wards policies={one.policies} />
        </>
      )}
      <p className="small quiet simulate-note">{t('note')}</p>
    </div>
  );
}

// Wards says how full each ward is under the first policy and the last.
function Wards({ policies }: { policies: Outcome[] }) {
  const t = useWords({ zh, en });
  const say = useName();
  const wards = policies[0]?.wards ?? [];
  if (!wards.length) return null;
  return (
    <table className="plain simulate-wards">
      <caption>{t('byWard')}</caption>
      <thead><tr><th scope="col">{t('ward')}</th><th scope="col" className="right">{t('beds')}</th>{policies.map((p) => <th key={p.policy} scope="col" className="right">{say(p)}</th>)}</tr></thead>
      <tbody>
        {wards.map((w, i) => (
          <tr key={i}>
            <th scope="row">{w.name}</th><td className="right num">{w.beds}</td>
            {policies.map((p) => {
              const o = p.wards?.[i]?.occupancy;
              return <td key={p.policy} className={`right num ${o && o.mean > 0.95 ? 'simulate-full' : ''}`}>{o ? percent(o.mean) : ''}</td>;
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

// Reserves shows what each bed kept for emergencies gives them, and costs the others.
function Reserves({ report }: { report: Report }) {
  const t = useWords({ zh, en });
  const say = useName();
  const names = report.settings[0]!.policies;
  const columns = [
    ['emergency.over4h', percent], ['wait.emergency.mean', hours], ['wait.urgent.mean', hours], ['wait.elective.mean', hours], ['occupancy', percent], ['refused', percent],
  ] as const;
  return (
    <>
      <div className="simulate-panels">
        {columns.slice(0, 4).map(([figure, write]) => (
          <Sweep key={figure} title={t(`figure.${figure}`)} x={t('kept')} write={write} lines={names.map((p, i) => ({ name: say(p), points: report.settings.filter((s) => s.policies[i]?.figures[figure]?.n).map((s) => ({ x: s.reserve, ...s.policies[i]!.figures[figure]! })) }))} />
        ))}
      </div>
      {names.map((p, i) => (
        <table key={p.policy} className="plain simulate-wards">
          <caption>{say(p)}</caption>
          <thead><tr><th scope="col">{t('kept')}</th>{columns.map(([f]) => <th key={f} scope="col" className="right">{t(`figure.${f}`)}</th>)}</tr></thead>
          <tbody>
            {report.settings.map((s) => (
              <tr key={s.reserve}>
                <th scope="row">{s.reserve}</th>
                {columns.map(([f, write]) => {
                  const v = s.policies[i]?.figures[f];
                  return <td key={f} className="right num">{v?.n ? <>{write(v.mean)} <span className="quiet">±{write((v.high - v.low) / 2)}</span></> : ''}</td>;
                })}
              </tr>
            ))}
          </tbody>
        </table>
      ))}
    </>
  );
}
