import ClockCircleOutlined from '@ant-design/icons/es/icons/ClockCircleOutlined';
import WarningFilled from '@ant-design/icons/es/icons/WarningFilled';
import type { Name, StateKind, Urgency } from '../fhir/types';
import { dueTone, spanOf, timeOf, useNow } from '../words/time';
import { useName, useWords } from '../words/words';
import en from './en.json';
import zh from './zh.json';

// Every mark says its meaning in words or shape as well as in colour.

export function UrgencyMark({ urgency }: { urgency: Urgency | string }) {
  const t = useWords({ zh, en });
  return <span className={`urgency urgency-${urgency}`}>{t(`urgency.${urgency}`)}</span>;
}

export function StateMark({ name, kind, late }: { name: Name; kind: StateKind; late?: boolean }) {
  const say = useName();
  return <span className={`mark mark-${late && kind === 'open' ? 'late' : kind}`}>{say(name)}</span>;
}

export function Due({ due, entered, kind = 'open' }: { due?: string | null; entered?: string; kind?: StateKind }) {
  const t = useWords({ zh, en });
  const now = useNow();
  if (!due || kind !== 'open') return <span className="quiet">–</span>;
  const tone = dueTone(due, entered, now);
  const ms = new Date(due).getTime() - now;
  return (
    <span className={`due due-${tone} num`} title={timeOf(due)}>
      {tone === 'late' && <WarningFilled aria-hidden />}
      {tone === 'soon' && <ClockCircleOutlined aria-hidden />}
      {tone === 'late' ? t('overdue', { t: spanOf(-ms) }) : t('left', { t: spanOf(ms) })}
    </span>
  );
}
