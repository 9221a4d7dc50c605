import type { Case } from '../../../web/src/fhir/types';
import { say, useMarks, useWords } from '../../../web/src/words/words';
import { dateOf, timeOf } from '../../../web/src/words/time';
import en from './en.json';
import zh from './zh.json';

interface Text { text?: string }
interface CarePlan {
  title?: string; description?: string; note?: Text[]; period?: { start?: string; end?: string };
  activity?: { detail?: { description?: string; kind?: string; code?: { text?: string }; productCodeableConcept?: { text?: string }; scheduledString?: string; scheduledPeriod?: { start?: string; end?: string }; scheduledTiming?: { event?: string[] } } }[];
}

// PlanAndOutcome shows what was decided for the patient and what goes home with him.
export function PlanAndOutcome({ data }: { data: Case }) {
  const t = useWords({ zh, en });
  const marks = useMarks();
  const plan = data.plan as CarePlan | null | undefined;
  const outcome = facts(data.outcome);
  if (!plan && !outcome.length) return null;
  return (
    <section className="plan" aria-label={t('plan')}>
      {outcome.length > 0 && (
        <>
          <h3>{t('outcome')}</h3>
          <dl className="facts">{outcome.map(([k, v]) => <div key={k}><dt>{t(`outcome.${k}`).replace(/^outcome\./, '')}</dt><dd>{v}</dd></div>)}</dl>
        </>
      )}
      {plan && (
        <>
          <h3>{plan.title || t('plan')}</h3>
          {plan.description && <p className="said">{plan.description}</p>}
          {(plan.note ?? []).map((n, i) => <p key={i} className="said">{n.text}</p>)}
          {!!plan.activity?.length && (
            <ul>
              {plan.activity.map((a, i) => {
                const d = a.detail ?? {};
                const p = d.scheduledPeriod;
                const when = p?.start && p.end ? `${dateOf(p.start)} – ${dateOf(p.end)}` : dateOf(p?.start ?? d.scheduledTiming?.event?.[0]);
                return <li key={i}>{[d.code?.text, d.productCodeableConcept?.text, d.description].filter(Boolean).join(marks.colon)} {d.scheduledString ?? ''} {when && <b className="num">{when}</b>}</li>;
              })}
            </ul>
          )}
        </>
      )}
    </section>
  );
}

// facts reads the outcome whatever its shape: {zh, en} names, codes and plain words.
function facts(outcome: Record<string, unknown> | null | undefined): [string, string][] {
  if (!outcome) return [];
  return Object.entries(outcome).flatMap(([k, v]): [string, string][] => {
    if (v === null || v === undefined || v === '' || v === false || k === 'resourceType' || k === 'code' || k === 'plan' || /^(bed|bed-.*|waiting-since)$/.test(k)) return [];
    if (typeof v === 'object') {
      const o = v as { zh?: string; en?: string; display?: string; text?: string };
      const said = o.zh ? say({ zh: o.zh, en: o.en ?? '' }) : o.display ?? o.text;
      return said ? [[k, said]] : [];
    }
    const s = String(v);
    return [[k, /^\d{4}-\d{2}-\d{2}T/.test(s) ? timeOf(s) : s]];
  });
}
