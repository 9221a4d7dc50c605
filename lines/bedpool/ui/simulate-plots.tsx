import { useId } from 'react';

// Plots of means with their intervals, in a few lines of SVG: no library to load.

export interface Value { mean: number; low: number; high: number; n: number }

const most = (values: Value[]) => Math.max(...values.map((v) => Math.max(v.mean, v.high)), 1e-9);

// Intervals draws one bar a policy, from 0, with the interval over it and the number beside it.
export function Intervals({ title, rows, write }: { title: string; rows: { name: string; value: Value }[]; write: (v: number) => string }) {
  const id = useId();
  const [width, name, number, row, head] = [392, 136, 92, 24, 4];
  const end = most(rows.map((r) => r.value));
  const x = (v: number) => name + (Math.max(0, v) / end) * (width - name - number);
  const height = head + rows.length * row;
  return (
    <figure className="simulate-panel">
      <figcaption id={id}>{title}</figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-labelledby={id}>
        {rows.map(({ name: of, value }, i) => {
          const y = head + row * (i + 0.5);
          const says = `${write(value.mean)}${value.n > 1 ? ` ±${write((value.high - value.low) / 2)}` : ''}`;
          return (
            <g key={of}>
              <title>{`${of}: ${says}`}</title>
              <text x={name - 6} y={y + 4} textAnchor="end" className="simulate-word">{of}</text>
              <rect x={name} y={y - 6} width={Math.max(0.5, x(value.mean) - name)} height={12} className={i ? 'simulate-bar' : 'simulate-base'} />
              {value.n > 1 && <path d={`M${x(value.low)} ${y}H${x(value.high)}M${x(value.low)} ${y - 4}v8M${x(value.high)} ${y - 4}v8`} className="simulate-whisker" />}
              <text x={x(Math.max(value.mean, value.high)) + 5} y={y + 4} className="simulate-number">{says}</text>
            </g>
          );
        })}
      </svg>
    </figure>
  );
}

// Sweep draws lines over a number that one decides on, each in the band of its interval. Lines differ by dash, not only by colour.
export function Sweep({ title, x: along, lines, write }: { title: string; x: string; lines: { name: string; points: (Value & { x: number })[] }[]; write: (v: number) => string }) {
  const id = useId();
  const [width, height, left, right, top, bottom] = [372, 190, 50, 10, 22, 34];
  const points = lines.flatMap((l) => l.points);
  if (!points.length) return null;
  const end = most(points);
  const far = Math.max(...points.map((p) => p.x), 1);
  const x = (v: number) => left + (v / far) * (width - left - right);
  const y = (v: number) => top + (1 - Math.max(0, v) / end) * (height - top - bottom);
  const marks = [...new Set(points.map((p) => p.x))];
  return (
    <figure className="simulate-panel">
      <figcaption id={id}>{title}</figcaption>
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-labelledby={id}>
        {[0, 0.5, 1].map((g) => <g key={g}><line x1={left} x2={width - right} y1={y(end * g)} y2={y(end * g)} className="simulate-grid" /><text x={left - 5} y={y(end * g) + 4} textAnchor="end" className="simulate-word">{write(end * g)}</text></g>)}
        {marks.map((m) => <text key={m} x={x(m)} y={height - 20} textAnchor="middle" className="simulate-word">{m}</text>)}
        <text x={(left + width - right) / 2} y={height - 5} textAnchor="middle" className="simulate-word">{along}</text>
        {lines.map((l, i) => (
          <g key={l.name} className={`simulate-line-${i % 2}`}>
            {l.points.length > 1 && <polygon className="simulate-band" points={[...l.points.map((p) => `${x(p.x)},${y(p.high)}`), ...[...l.points].reverse().map((p) => `${x(p.x)},${y(p.low)}`)].join(' ')} />}
            <polyline points={l.points.map((p) => `${x(p.x)},${y(p.mean)}`).join(' ')} />
            {l.points.map((p) => <circle key={p.x} cx={x(p.x)} cy={y(p.mean)} r={3}><title>{`${l.name}, ${p.x}: ${write(p.mean)}`}</title></circle>)}
            <g><line x1={left + i * 160} x2={left + i * 160 + 22} y1={8} y2={8} className="simulate-key" /><text x={left + i * 160 + 27} y={12} className="simulate-word">{l.name}</text></g>
          </g>
        ))}
      </svg>
    </figure>
  );
}
