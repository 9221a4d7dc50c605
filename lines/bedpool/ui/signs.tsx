import type { Bed, BedState, Level, Needs } from './api';
import { clockOf, timeOf } from '../../../web/src/words/time';
import type { Say } from '../../../web/src/words/words';
import { useSay } from './say';

// Every sign is a character beside a colour, and says its whole word to whoever asks.
export const stateOf = (b: Bed): BedState | 'transit' => (b.state === 'held' && b.frozen ? 'transit' : b.state);

export function StateSign({ state }: { state: BedState | 'transit' }) {
  const t = useSay();
  return <span className={`sign sign-${state}`} title={t(`state.${state}`)} aria-hidden>{t(`sign.${state}`)}</span>;
}

// abilities are the signs of what stands at a bed, or is needed there.
export function abilities(t: Say, of: { level?: Level | string; equipment?: string[] | null }): { sign: string; word: string }[] {
  const found = of.level && of.level !== 'general' ? [`level.${of.level}`] : [];
  return [...found, ...(of.equipment ?? []).map((e) => `equipment.${e}`)].map((k) => ({ sign: t(`${k}.sign`), word: t(k) }));
}

export function Abilities({ of }: { of: { level?: Level | string; equipment?: string[] | null } }) {
  const t = useSay();
  return <>{abilities(t, of).map((a) => <abbr key={a.word} className="able" title={a.word}>{a.sign}</abbr>)}</>;
}

// NeedSigns: what he needs of a bed, in the signs of the board, and whatever else binds the choice.
export function NeedSigns({ needs: n }: { needs: Needs }) {
  const t = useSay();
  return (
    <span className="needs">
      <Abilities of={n} />
      {n.isolation && <abbr className="able able-strong" title={t(`isolation.${n.isolation}`)}>{t('isolation.sign')}</abbr>}
      {n.nursing === 'special' && <abbr className="able" title={t('nursing.special')}>{t('nursing.special.sign')}</abbr>}
      {n.companion && <abbr className="able" title={t('companion')}>{t('companion.sign')}</abbr>}
    </span>
  );
}

export const hm = (at?: string | null) => clockOf(at).slice(0, 5);

// shortTime is the clock of today, else the day with it.
export function shortTime(at: string | undefined | null, now: number): string {
  if (!at) return '';
  return new Date(at).toDateString() === new Date(now).toDateString() ? hm(at) : timeOf(at);
}
