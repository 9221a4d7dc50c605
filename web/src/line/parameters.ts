import { fromInput } from '../words/time';
import type { Field, Form } from '../fhir/types';

export type Values = Record<string, unknown>;
export interface Coded { system?: string; code?: string; display: string }
export interface Pointed { reference: string; display?: string }

export const shown = (f: Field, values: Values) =>
  !f.showIf || f.showIf.in.includes(String(values[f.showIf.field] ?? ''));

export const visible = (form: Form | undefined, values: Values) => (form?.fields ?? []).filter((f) => shown(f, values));

const empty = (v: unknown) =>
  v === undefined || v === null || v === '' || (Array.isArray(v) && v.length === 0) ||
  (typeof v === 'object' && !Array.isArray(v) && !(v as Pointed).reference && !(v as Coded).display && !(v as Coded).code);

// check says what is missing or wrong, by field, as keys of the words.
export function check(form: Form | undefined, values: Values, emergency = values.urgency === 'emergency'): Record<string, string> {
  const wrong: Record<string, string> = {};
  for (const f of visible(form, values)) {
    const v = values[f.name];
    if (f.required && !(emergency && f.waivedInEmergency) && (empty(v) || (typeof v === 'string' && !v.trim()))) wrong[f.name] = f.type === 'choice' || f.type === 'organization' ? 'choose' : 'fill';
    else if (f.type === 'phone' && !empty(v) && !/^\+?\d[\d -]{4,19}$/.test(String(v).trim())) wrong[f.name] = 'phone';
    else if (f.type === 'date' && !empty(v) && !/^\d{4}-\d{2}-\d{2}$/.test(String(v))) wrong[f.name] = 'date';
  }
  return wrong;
}

// parameters writes a form's values as the FHIR Parameters that a step reads.
export function parameters(form: Form | undefined, values: Values, first: { name: string; [value: string]: unknown }[] = []) {
  const parameter = [...first];
  for (const f of visible(form, values)) {
    const v = values[f.name];
    if (empty(v)) continue;
    const put = (value: Record<string, unknown>) => parameter.push({ name: f.name, ...value });
    if (f.repeats && f.type !== 'documents') {
      for (const one of lines(v)) put(f.type === 'choice' ? { valueCode: one } : { valueString: one });
      continue;
    }
    switch (f.type) {
      case 'choice':
        put({ valueCode: String(v) });
        break;
      case 'boolean':
        put({ valueBoolean: !!v });
        break;
      case 'date':
        put({ valueDate: String(v) });
        break;
      case 'datetime':
        put({ valueDateTime: fromInput(String(v)) });
        break;
      case 'organization':
      case 'practitioner':
      case 'patient':
      case 'bed':
      case 'task':
        put({ valueReference: strip(v as Pointed) });
        break;
      case 'department':
        put(typeof v === 'string' ? { valueString: v.trim() } : { valueReference: strip(v as Pointed) });
        break;
      case 'documents':
        for (const d of v as Pointed[]) put({ valueReference: strip(d) });
        break;
      case 'code': {
        const c = v as Coded;
        if (c.code) put({ valueCoding: { system: c.system ?? systems[f.system ?? ''] ?? f.system, code: c.code, display: c.display } });
        else put({ valueString: c.display });
        break;
      }
      default:
        put({ valueString: String(v).trim() });
    }
  }
  return { resourceType: 'Parameters', parameter };
}

// A form names a code system shortly; FHIR wants its address.
const systems: Record<string, string> = { 'icd-10': 'http://hl7.org/fhir/sid/icd-10' };

const strip = (p: Pointed) => (p.display ? { reference: p.reference, display: p.display } : { reference: p.reference });

// lines reads a repeated answer: one a line, or a list.
export const lines = (v: unknown): string[] =>
  (Array.isArray(v) ? v.map(String) : String(v ?? '').split('\n')).map((x) => x.trim()).filter(Boolean);
