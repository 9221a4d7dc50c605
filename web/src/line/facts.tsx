import type { Case, Line } from '../fhir/types';
import { timeOf } from '../words/time';
import { useName, useWords } from '../words/words';
import en from './en.json';
import zh from './zh.json';

interface Said { type?: { text?: string; coding?: { code?: string }[] }; valueString?: string; valueCode?: string; valueDateTime?: string; valueDate?: string; valueBoolean?: boolean; valueCodeableConcept?: { text?: string; coding?: { display?: string }[] } }

const machine = /^(opened|packet|case|redirected-from|submitted-by|consent-record|bed$|bed-|waiting-since)/; // numbers and hashes, not words

// Facts shows what a case of a line without parts of its own says: who began it, what he answered, what was concluded.
export function Facts({ line, data }: { line: Line; data: Case }) {
  const t = useWords({ zh, en });
  const say = useName();
  const task = data.task as { input?: Said[]; output?: Said[] } | undefined;
  const fields = [...(line.start?.[0]?.form?.fields ?? []), ...(data.open ?? []).flatMap((s) => s.form?.fields ?? [])];
  const rows = [...(task?.input ?? []), ...(task?.output ?? [])].flatMap((f): [string, string, string][] => {
    const code = f.type?.coding?.[0]?.code ?? '';
    const at = f.valueDateTime ?? f.valueDate;
    const raw = f.valueString ?? f.valueCode ?? f.valueCodeableConcept?.text ?? f.valueCodeableConcept?.coding?.[0]?.display;
    if (machine.test(code) || (!raw && !at && f.valueBoolean !== true)) return [];
    const field = fields.find((x) => x.name === code);
    const label = t(`fact.${code}`) === `fact.${code}` ? say(field?.label) || f.type?.text || code : t(`fact.${code}`);
    const value = at ? timeOf(at) : raw ? say(field?.options?.find((o) => o.code === raw)?.name) || raw : t('yes');
    return [[code, label, value]];
  });
  const by = data.path?.[0]?.by;
  if (!rows.length && !by) return null;
  return (
    <dl className="facts case-facts" aria-label={t('facts')}>
      {by?.name && <div><dt>{t('begunBy')}</dt><dd>{by.name} <span className="quiet">{typeof by.org === 'string' ? by.org : by.org?.display}</span></dd></div>}
      {rows.map(([code, label, value], i) => <div key={code + i}><dt>{label}</dt><dd>{value}</dd></div>)}
    </dl>
  );
}
