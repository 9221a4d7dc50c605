import { Checkbox, Input, Radio, Select, Skeleton } from 'antd';
import { lazy, Suspense, useId } from 'react';
import type { Field, Form } from '../fhir/types';
import { localInput } from '../words/time';
import { useName, useWords } from '../words/words';
import en from './en.json';
import { lines, visible, type Coded, type Pointed, type Values } from './parameters';
import zh from './zh.json';

const OrgPicker = lazy(() => import('./org-picker'));
const PersonPicker = lazy(() => import('./person-picker'));
const PacketPicker = lazy(() => import('./packet-picker'));
const PatientPicker = lazy(() => import('./patient-picker'));
const DepartmentPicker = lazy(() => import('./department-picker'));
const CodePicker = lazy(() => import('./code-picker'));
const BedPicker = lazy(() => import('./bed-picker'));
const TaskPicker = lazy(() => import('./task-picker'));

interface Props {
  form: Form | undefined;
  values: Values;
  set: (name: string, value: unknown) => void;
  wrong?: Record<string, string>;
  patient?: string;
  id?: string;
  except?: string[];
  task?: string; // "Task/…" of the case that the form belongs to
  owner?: string; // "Organization/…" that has the case
  emergency?: boolean;
}

// Fields draws a form of docs/api.md: labels above, help in one line, errors beside the field and in words.
export function Fields({ form, values, set, wrong = {}, patient, id, except = [], task, owner, emergency }: Props) {
  const own = useId();
  return (
    <>
      {visible(form, values).filter((f) => !except.includes(f.name)).map((f) => (
        <FieldBox key={f.name} field={f} id={`${id ?? own}-${f.name}`} value={values[f.name]} wrong={wrong[f.name]} patient={patient}
          set={(v) => set(f.name, v)} values={values} task={task} owner={owner} emergency={emergency} />
      ))}
    </>
  );
}

interface One { field: Field; id: string; value: unknown; wrong?: string; patient?: string; set: (v: unknown) => void; values: Values; task?: string; owner?: string; emergency?: boolean }

function FieldBox(p: One) {
  const t = useWords({ zh, en });
  const say = useName();
  const { field: f, id, wrong } = p;
  const why = wrong ? (t(`wrong.${wrong}`) === `wrong.${wrong}` ? wrong : t(`wrong.${wrong}`)) : '';
  const help = say(f.help);
  const wide = ['textarea', 'documents', 'choice'].includes(f.type) || !!f.repeats;
  const group = f.type === 'choice' && !f.repeats && (f.options?.length ?? 0) <= 6;
  return (
    <div className={['field', wide ? 'field-wide' : '', why ? 'field-wrong' : ''].join(' ')} data-field={f.name}>
      {f.type !== 'boolean' && (group || f.type === 'documents'
        ? <span className="label" id={`${id}-label`}>{say(f.label)}{f.required && <Required />}</span>
        : <label htmlFor={id} id={`${id}-label`}>{say(f.label)}{f.required && <Required />}</label>)}
      <Suspense fallback={<Skeleton.Input active block />}><Control {...p} /></Suspense>
      {help && <div className="quiet small" id={`${id}-help`}>{help}</div>}
      {why && <div className="field-error" id={`${id}-why`} role="alert">{why}</div>}
    </div>
  );
}

const Required = () => <span className="required" aria-hidden> *</span>;

function Control({ field: f, id, value, wrong, patient, set, values, task, owner, emergency }: One) {
  const t = useWords({ zh, en });
  const say = useName();
  const aria = {
    id,
    'aria-required': f.required || undefined,
    'aria-invalid': !!wrong || undefined,
    'aria-describedby': [f.help ? `${id}-help` : '', wrong ? `${id}-why` : ''].filter(Boolean).join(' ') || undefined,
  };
  const status = wrong ? ('error' as const) : undefined;
  const options = (f.options ?? []).map((o) => ({ value: o.code, label: say(o.name) }));
  if (f.repeats && f.type === 'choice')
    return <Select {...aria} status={status} mode="tags" placeholder={t('choose')} options={options} tokenSeparators={[',', '，', ' ']} value={lines(value)} onChange={set} style={{ width: '100%' }} />;
  if (f.repeats && f.type === 'text')
    return (
      <Input.TextArea {...aria} status={status} autoSize={{ minRows: 2, maxRows: 8 }} placeholder={t('onePerLine')} value={Array.isArray(value) ? value.join('\n') : String(value ?? '')} onChange={(e) => set(e.target.value)} />
    );
  switch (f.type) {
    case 'textarea':
      return <Input.TextArea {...aria} status={status} autoSize={{ minRows: 2, maxRows: 8 }} value={String(value ?? '')} onChange={(e) => set(e.target.value)} />;
    case 'choice':
      return options.length <= 6
        ? <Radio.Group id={id} aria-labelledby={`${id}-label`} optionType="button" buttonStyle="solid" options={options} value={value} onChange={(e) => set(e.target.value)} />
        : <Select {...aria} status={status} showSearch={{ optionFilterProp: 'label' }} allowClear={!f.required} options={options} value={value as string} onChange={set} placeholder={t('choose')} style={{ width: '100%' }} />;
    case 'boolean':
      return <Checkbox id={id} checked={!!value} onChange={(e) => set(e.target.checked)}>{say(f.label)}</Checkbox>;
    case 'date':
    case 'datetime':
      return (
        <Input {...aria} status={status} type={f.type === 'date' ? 'date' : 'datetime-local'} value={String(value ?? '')} onChange={(e) => set(e.target.value)} style={{ maxWidth: 220 }} />
      );
    case 'phone':
      return <Input {...aria} status={status} type="tel" inputMode="tel" autoComplete="tel" value={String(value ?? '')} onChange={(e) => set(e.target.value)} style={{ maxWidth: 260 }} />;
    case 'organization':
      return <OrgPicker {...aria} status={status} value={value as Pointed | undefined} onChange={set} service={f.service} task={task} free={emergency || values.urgency === 'emergency' || values['by-choice'] === true || values.reason === 'patient-wish'} />;
    case 'department':
      return <DepartmentPicker {...aria} status={status} value={value as Pointed | string | undefined} onChange={set} at={f.at ? (values[f.at] as Pointed | undefined)?.reference : owner} />;
    case 'bed':
      return <BedPicker {...aria} status={status} value={value as Pointed | undefined} onChange={set} owner={owner} />;
    case 'task':
      return <TaskPicker {...aria} status={status} value={value as Pointed | undefined} onChange={set} patient={patient} />;
    case 'patient':
      return <PatientPicker {...aria} value={value as Pointed | undefined} onChange={set} />;
    case 'practitioner':
      return <PersonPicker {...aria} status={status} value={value as Pointed | undefined} onChange={set} org={orgIn(values)} />;
    case 'documents':
      return <PacketPicker id={id} labelledBy={`${id}-label`} patient={patient} value={(value as Pointed[]) ?? []} onChange={set} />;
    case 'code':
      return <CodePicker {...aria} status={status} system={f.system} patient={patient} value={value as Coded | undefined} onChange={set} />;
    default:
      return <Input {...aria} status={status} value={String(value ?? '')} onChange={(e) => set(e.target.value)} />;
  }
}

const orgIn = (values: Values) =>
  Object.values(values).map((v) => (v as Pointed | undefined)?.reference).find((r) => r?.startsWith('Organization/'));

// startValues: what the system knows nobody types; times default to now.
export function startValues(form: Form | undefined, more: Values = {}): Values {
  const values: Values = {};
  for (const f of form?.fields ?? []) {
    if (f.default !== undefined && f.default !== null) values[f.name] = f.default === 'now' ? localInput(new Date(), f.type === 'datetime') : f.default;
    else if (f.type === 'datetime' && f.required) values[f.name] = localInput();
    else if (f.type === 'date' && f.required) values[f.name] = localInput(new Date(), false);
  }
  return { ...values, ...more };
}
