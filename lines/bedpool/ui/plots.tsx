import { useId, useState } from 'react';

// Small plots of our own: a few lines of SVG, so that a page with numbers loads no library.

export interface Day { day: string; share: number; second: number; says: string }

// Trend is a line of shares from 0 to 1 over days, and bars of a second count below. Each day says its numbers.
export function Trend({ days, label, height = 132 }: { days: Day[]; label: string; height?: number }) {
  const id = useId();
  const [at, setAt] = useState<number>();
  const width = 560;
  const [left, right, top, bottom] = [34, 8, 8, 18];
  const inner = { w: width - left - right, h: height - top - bottom };
  const top1 = Math.max(1, ...days.map((d) => d.share));
  const most = Math.max(1, ...days.map((d) => d.second));
  const step = inner.w / Math.max(1, days.length);
  const x = (i: number) => left + step * (i + 0.5);
  const y = (share: number) => top + inner.h * (1 - share / top1);
  const shown = at === undefined ? days.length - 1 : at;
  const every = Math.ceil(days.length / 8);
  return (
    <figure className="trend">
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-labelledby={id} onPointerLeave={() => setAt(undefined)}>
        <title id={id}>{label}</title>
        {[0, 0.5, 0.85, 1].map((g) => (
          <g key={g}><line x1={left} x2={width - right} y1={y(g)} y2={y(g)} className={g === 0.85 ? 'trend-aim' : 'trend-grid'} /><text x={left - 4} y={y(g) + (g === 0 ? 1 : 4)} className="trend-word" textAnchor="end">{Math.round(g * 100)}%</text></g>
        ))}
        {days.map((d, i) => d.second > 0 && <rect key={d.day} className="trend-bar" x={x(i) - step * 0.3} width={step * 0.6} y={y(0) - (inner.h * 0.3 * d.second) / most} height={(inner.h * 0.3 * d.second) / most} />)}
        <polyline className="trend-line" points={days.map((d, i) => `${x(i)},${y(d.share)}`).join(' ')} />
        {days.length <= 40 && days.map((d, i) => <circle key={d.day} className="trend-dot" cx={x(i)} cy={y(d.share)} r={i === shown ? 4 : 2} />)}
        {days.map((d, i) => i % every === 0 && <text key={d.day} x={x(i)} y={height - 5} className="trend-word" textAnchor="middle">{d.day.slice(5)}</text>)}
        {days.map((d, i) => <rect key={d.day} className="trend-catch" x={left + step * i} width={step} y={0} height={height} onPointerEnter={() => setAt(i)} />)}
      </svg>
      <figcaption className="small quiet" role="status">{days[shown]?.says}</figcaption>
    </figure>
  );
}

// Bar is a share with a mark for another one (a mean, an aim).
export function Bar({ share, mark, tone = '' }: { share: number; mark?: number; tone?: string }) {
  return (
    <span className={`share ${tone}`} aria-hidden>
      <span style={{ width: `${Math.min(Math.max(share, 0), 1) * 100}%` }} />
      {mark !== undefined && <i style={{ left: `${Math.min(Math.max(mark, 0), 1) * 100}%` }} />}
    </span>
  );
}

// Spread draws the half and the nine tenths of waits on one scale: a dot and the line to where nine of ten are served.
export function Spread({ p50, p90, most }: { p50: number; p90: number; most: number }) {
  const at = (v: number) => `${Math.min(100, (v / Math.max(most, 0.001)) * 100)}%`;
  return <span className="spread" aria-hidden><span style={{ width: at(p90) }} /><i style={{ left: at(p50) }} /></span>;
}
