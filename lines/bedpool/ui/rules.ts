import type { Say } from '../../../web/src/words/words';
import type { BedUrgency, Holds, Level, ShiftKind } from './api';
import { graceWords } from './assign';

// GET /api/beds/rules?pool=
export interface Edit { at: string; from: string; by: string; name?: string; reason: string; value: unknown }
export interface Rule {
  code: string; zh: string; en: string; value: unknown; default?: unknown; source: string; verified: boolean; own?: boolean; mine?: boolean;
  planned?: Edit[] | null; history?: Edit[] | null;
}
export interface RuleList { rules: Rule[] | null; mine: boolean }

export interface Night { from: string; to: string; lends: BedUrgency[] | null }
export interface Limits { teamInWard: number; wardLent: number; teams?: Record<string, number> | null; wards?: Record<string, number> | null }
export interface Flags { absence: number; readmission: number }
export type Protected = Record<string, { opens?: { from: string; to: string } | null; [k: string]: unknown }>;

// daily are the rules by which the day is run, in the order in which a desk asks for them; the others follow as they come.
export const daily = ['holds', 'night', 'limits', 'lends', 'protected', 'flags', 'morning', 'cleaningMinutes', 'confirms', 'shifts', 'aheadHours'];

export const urgencies: BedUrgency[] = ['emergency', 'urgent', 'cancer', 'elective'];

// inMinutes and span turn 1h30m into a number and back.
export function inMinutes(s: string): number {
  const [, h = '0', m = '0'] = /^(?:(\d+)h)?(?:(\d+)m)?/.exec(s) ?? [];
  return Number(h) * 60 + Number(m);
}
export const span = (minutes: number) => `${Math.max(0, Math.round(minutes))}m`;
const asHours = (s: string) => `${Math.floor(inMinutes(s) / 60)}h${inMinutes(s) % 60}m`;

// inWords says a rule as people would; t has the words of the rules, say those of the board.
export function inWords(code: string, value: unknown, t: Say, say: Say, zh: boolean): string {
  const list = (all: string[]) => (all.length ? all.join(zh ? '、' : ', ') : t('nobody'));
  const join = (all: string[]) => all.filter(Boolean).join(zh ? '；' : '; ');
  switch (code) {
    case 'holds': {
      const h = value as Holds;
      return t('holds.words', { soon: list((h.soon ?? []).map((u) => say(`urgency.${u}`))), grace: graceWords(say, asHours(h.grace)), by: h.by });
    }
    case 'night': {
      const n = value as Night;
      return t('night.words', { from: n.from, to: n.to, who: n.lends?.length ? list(n.lends.map((u) => say(`urgency.${u}`))) : t('night.nobody') });
    }
    case 'limits': {
      const l = value as Limits;
      const wards = Object.keys(l.wards ?? {}).length;
      const teams = Object.keys(l.teams ?? {}).length;
      return join([t('limits.words', { team: l.teamInWard, ward: Math.round(l.wardLent * 100) }), wards ? t('limits.apart', { n: wards }) : '', teams ? t('limits.teamsApart', { n: teams }) : '']);
    }
    case 'flags': {
      const f = value as Flags;
      return t('flags.words', { absence: f.absence, readmission: f.readmission });
    }
    case 'protected': {
      const open = Object.entries(value as Protected).filter(([, p]) => p.opens);
      return open.length ? join(open.map(([kind, p]) => t('protected.words', { kind: say(`kind.${kind}`), ...p.opens! }))) : t('protected.none');
    }
    case 'lends': return t(`lends.${value as string}`);
    case 'morning': return t('morning.words', { at: (value as { at: string }).at });
    case 'cleaningMinutes': return join(Object.entries(value as Record<Level, number>).map(([level, n]) => t('minutes', { level: say(`level.${level}.sign`), n })));
    case 'confirms': return list((value as Level[] | null ?? []).map((l) => say(`level.${l}`)));
    case 'aheadHours': return t('ahead.words', { n: value as number });
    case 'shifts': return join((value as ShiftKind[]).map((s) => t('shift.words', { name: zh ? s.zh : s.en, from: s.from, until: s.until, points: s.points })));
  }
  return JSON.stringify(value);
}
