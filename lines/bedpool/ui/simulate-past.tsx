import { Button, Checkbox, Select } from 'antd';
import { useState } from 'react';
import { ErrorState, Loading } from '../../../web/src/states/states';
import { timeOf } from '../../../web/src/words/time';
import { useName, useWords, type Say } from '../../../web/src/words/words';
import en from './simulate.en.json';
import { open, panels, useSimulation, type Asked, type Interval, type Simulation } from './simulate';
import zh from './simulate.zh.json';

// change says in words what was tried.
export function change(t: Say, a: Asked): string {
  const all = !a.policies?.length || a.policies.length === 4;
  return [
    (a.reserves?.length ?? 0) > 1 ? t('triedReserves', { list: a.reserves!.join('、') }) : '',
    all ? t('triedAll') : a.policies!.map((p) => t(`policy.${p}`)).join(' / '),
    (a.reserves?.length === 1 && a.reserves[0]) ? t('triedReserves', { list: a.reserves[0] }) : '',
    t('nDays', { n: a.days }), t('nSeeds', { n: a.seeds }), a.load ? t('nLoad', { n: Math.round(a.load * 100) }) : '', a.home ? t('home') : '',
  ].filter(Boolean).join(' · ');
}

// Past lists who tried what and when, of the institution; two that are done can be laid side by side.
export function Past({ list, shown, two, onTwo, onOpen, onBeside }: {
  list: Simulation[]; shown?: string; two: string[]; onTwo: (ids: string[]) => void; onOpen: (id: string) => void; onBeside: () => void;
}) {
  const t = useWords({ zh, en });
  const say = useName();
  return (
    <div className="simulate-shown" tabIndex={0} role="region" aria-label={t('pastTitle')}>
      <p className="simulate-what small quiet">
        {t('pastHint')} <Button size="small" disabled={two.length !== 2} onClick={onBeside}>{t('beside')}</Button>
      </p>
      <table className="plain simulate-wards">
        <caption>{t('pastTitle')}</caption>
        <thead><tr><th scope="col">{t('pick')}</th><th scope="col">{t('when')}</th><th scope="col">{t('who')}</th><th scope="col">{t('source')}</th><th scope="col">{t('tried')}</th><th scope="col">{t('state')}</th></tr></thead>
        <tbody>
          {list.map((s) => (
            <tr key={s.id} aria-current={s.id === shown || undefined}>
              <td><Checkbox aria-label={t('pickOne', { by: s.by, at: timeOf(s.since) })} checked={two.includes(s.id)} disabled={s.state !== 'done' || (two.length === 2 && !two.includes(s.id))} onChange={(e) => onTwo(e.target.checked ? [...two, s.id] : two.filter((x) => x !== s.id))} /></td>
              <td className="num">{timeOf(s.since)}</td>
              <td>{s.by}</td>
              <td>{s.asked.source === 'history' ? `${s.seat} · ${say(s.name)}` : say(s.name)}</td>
              <td><Button type="link" size="small" onClick={() => onOpen(s.id)}>{change(t, s.asked)}</Button></td>
              <td>{open(s) ? t('playing', { done: s.done, of: s.of }) : t(`state.${s.state}`)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const half = (i: Interval) => (i.high - i.low) / 2;

// difference of two means that were found apart: their intervals add as squares.
export function difference(a: Interval, b: Interval) {
  const mean = b.mean - a.mean;
  const by = Math.hypot(half(a), half(b));
  return { mean, by, sure: a.n > 1 && b.n > 1 && Math.abs(mean) > by };
}

// Beside lays one way of giving out beds of the one simulation beside one of the other.
export function Beside({ ids }: { ids: [string, string] }) {
  const t = useWords({ zh, en });
  const say = useName();
  const [left, right] = [useSimulation(ids[0]), useSimulation(ids[1])];
  const [picked, pick] = useState<Record<string, string>>({});
  const wrong = left.error ?? right.error;
  if (wrong) return <ErrorState error={wrong} onRetry={() => void Promise.all([left.refetch(), right.refetch()])} />;
  if (!left.data?.report || !right.data?.report) return <Loading rows={10} />;
  const sides = [left.data, right.data].map((s) => {
    const many = s.report!.settings.length > 1;
    const ways = s.report!.settings.flatMap((set) => set.policies.map((p) => ({ value: `${set.reserve}/${p.policy}`, label: many || set.reserve ? `${say(p)} · ${t('triedReserves', { list: set.reserve })}` : say(p), of: p })));
    const way = ways.find((w) => w.value === picked[s.id]) ?? ways.at(-1)!;
    return { s, ways, way };
  });
  const [a, b] = [sides[0]!, sides[1]!];
  return (
    <div className="simulate-shown" tabIndex={0} role="region" aria-label={t('beside')}>
      <table className="plain simulate-wards simulate-beside">
        <caption>{t('beside')}</caption>
        <thead>
          <tr>
            <th scope="col">{t('figure')}</th>
            {sides.map(({ s, ways, way }, i) => (
              <th key={s.id} scope="col" className="right">
                <span className="quiet small">{`${'AB'[i]} · ${s.by} · ${timeOf(s.since)}`}</span><br />
                <span className="small">{s.asked.source === 'history' ? `${s.seat} · ` : ''}{say(s.name)} · {change(t, s.asked)}</span><br />
                <Select size="small" aria-label={t('way', { side: 'AB'[i]! })} value={way.value} popupMatchSelectWidth={false} options={ways.map(({ value, label }) => ({ value, label }))} onChange={(v) => pick({ ...picked, [s.id]: v })} />
              </th>
            ))}
            <th scope="col" className="right">{t('less')}</th>
          </tr>
        </thead>
        <tbody>
          {panels.filter((p) => a.way.of.figures[p.figure]?.n && b.way.of.figures[p.figure]?.n).map((p) => {
            const [x, y] = [a.way.of.figures[p.figure]!, b.way.of.figures[p.figure]!];
            const d = difference(x, y);
            return (
              <tr key={p.figure}>
                <th scope="row">{t(`figure.${p.figure}`)}</th>
                {[x, y].map((v, i) => <td key={i} className="right num">{p.write(v.mean)}{v.n > 1 && <> <span className="quiet">±{p.write(half(v))}</span></>}</td>)}
                <td className="right num">{d.mean > 0 ? '+' : ''}{p.write(d.mean)}{d.by > 0 && <> <span className="quiet">±{p.write(d.by)}</span></>}{!d.sure && <> <span className="quiet">{t('unsure')}</span></>}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      <p className="small quiet simulate-note">{t('besideNote')}</p>
    </div>
  );
}
