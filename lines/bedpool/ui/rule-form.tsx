import { Button, Checkbox, Input, InputNumber, Select } from 'antd';
import type { ReactNode } from 'react';
import { useWords } from '../../../web/src/words/words';
import type { Holds } from './api';
import { levels } from './figures';
import { inMinutes, span, urgencies, type Flags, type Limits, type Night, type Protected } from './rules';
import en from './rules.en.json';
import zh from './rules.zh.json';
import { useSay } from './say';

interface Props { code: string; value: unknown; set: (value: unknown) => void; wards: { id: string; name: string }[] }

// RuleForm asks for a rule in its own words; what has none is written as data.
export function RuleForm({ code, value, set, wards }: Props) {
  const t = useWords({ zh, en });
  const say = useSay();
  const number = (label: string, v: number, to: (n: number) => void, max = 1000) => (
    <label className="rule-field">{label} <InputNumber size="small" min={0} max={max} value={v} aria-label={label} onChange={(n) => to(Number(n ?? 0))} /></label>
  );
  const clock = (label: string, v: string, to: (s: string) => void) => (
    <label className="rule-field">{label} <input className="plain-input num" type="time" aria-label={label} value={v} onChange={(e) => to(e.target.value)} /></label>
  );
  const checks = (label: string, all: { value: string; label: string }[], v: string[], to: (s: string[]) => void): ReactNode => (
    <div className="rule-field" role="group" aria-label={label}>{label} <Checkbox.Group options={all} value={v} onChange={(x) => to(x as string[])} /></div>
  );
  const needs = urgencies.map((u) => ({ value: u, label: say(`urgency.${u}`) }));
  switch (code) {
    case 'holds': {
      const h = value as Holds;
      return (
        <>
          {checks(t('holds.soon'), needs, h.soon ?? [], (soon) => set({ ...h, soon }))}
          {number(t('holds.grace'), inMinutes(h.grace), (n) => set({ ...h, grace: span(n) }), 4320)}
          {number(t('holds.assumed'), inMinutes(h.assumed), (n) => set({ ...h, assumed: span(n) }), 4320)}
          {clock(t('holds.by'), h.by, (by) => set({ ...h, by }))}
        </>
      );
    }
    case 'night': {
      const n = value as Night;
      return <>{clock(`${t('night.hours')} ${say('since')}`, n.from, (from) => set({ ...n, from }))}{clock('–', n.to, (to) => set({ ...n, to }))}{checks(t('night.lends'), needs, n.lends ?? [], (lends) => set({ ...n, lends }))}</>;
    }
    case 'limits': {
      const l = value as Limits;
      const apart = Object.entries(l.wards ?? {});
      const put = (entries: [string, number][]) => set({ ...l, wards: Object.fromEntries(entries) });
      return (
        <>
          {number(t('limits.team'), l.teamInWard, (teamInWard) => set({ ...l, teamInWard }))}
          {number(t('limits.ward'), Math.round(l.wardLent * 100), (n) => set({ ...l, wardLent: n / 100 }), 100)}
          <div className="rule-field">{t('limits.wards')}
            {apart.map(([ward, n]) => (
              <span key={ward} className="rule-ward">{wards.find((w) => w.id === ward)?.name ?? ward} <InputNumber size="small" min={0} max={200} value={n} aria-label={wards.find((w) => w.id === ward)?.name ?? ward} onChange={(x) => put(apart.map(([k, v]) => [k, k === ward ? Number(x ?? 0) : v]))} />
                <Button size="small" type="text" aria-label={`${say('clear')} ${ward}`} onClick={() => put(apart.filter(([k]) => k !== ward))}>×</Button></span>
            ))}
            <Select size="small" showSearch optionFilterProp="label" aria-label={t('limits.addWard')} placeholder={t('limits.addWard')} value={null} popupMatchSelectWidth={false}
              options={wards.filter((w) => !apart.some(([k]) => k === w.id)).map((w) => ({ value: w.id, label: w.name }))} onChange={(id: string | null) => id && put([...apart, [id, 4]])} />
          </div>
        </>
      );
    }
    case 'flags': {
      const f = value as Flags;
      return <>{number(t('flags.absence'), f.absence, (absence) => set({ ...f, absence }))}{number(t('flags.readmission'), f.readmission, (readmission) => set({ ...f, readmission }))}</>;
    }
    case 'protected': {
      const p = value as Protected;
      return (
        <>
          {Object.keys(p).sort().map((kind) => {
            const opens = p[kind]!.opens;
            const to = (next?: { from: string; to: string }) => {
              const one = { ...p[kind]!, opens: next };
              if (!next) delete one.opens;
              set({ ...p, [kind]: one });
            };
            return (
              <div key={kind} className="rule-field">
                <Checkbox checked={!!opens} onChange={(e) => to(e.target.checked ? { from: '20:00', to: '07:00' } : undefined)}>{say(`kind.${kind}`)} {t('protected.opens')}</Checkbox>
                {opens ? <>{clock(`${say(`kind.${kind}`)} ${say('since')}`, opens.from, (from) => to({ ...opens, from }))}{clock('–', opens.to, (x) => to({ ...opens, to: x }))}</> : <span className="quiet small">{t('protected.never')}</span>}
              </div>
            );
          })}
        </>
      );
    }
    case 'lends': return <Select size="small" aria-label={t('value')} value={value as string} popupMatchSelectWidth={false} onChange={set} options={['all', 'neighbours', 'none'].map((v) => ({ value: v, label: t(`lends.${v}`) }))} />;
    case 'morning': return clock(t('morning.at'), (value as { at: string }).at, (at) => set({ at }));
    case 'cleaningMinutes': {
      const m = value as Record<string, number>;
      return <>{levels.map((l) => number(say(`level.${l}`), m[l] ?? 0, (n) => set({ ...m, [l]: n }), 1440))}</>;
    }
    case 'confirms': return checks(t('value'), levels.map((l) => ({ value: l, label: say(`level.${l}`) })), (value as string[] | null) ?? [], set);
    case 'aheadHours': return number(t('ahead.hours'), value as number, set);
  }
  return <Input.TextArea className="rule-json" aria-label={t('json')} autoSize={{ minRows: 3, maxRows: 16 }} value={typeof value === 'string' ? value : JSON.stringify(value, null, 2)} onChange={(e) => set(e.target.value)} />;
}
