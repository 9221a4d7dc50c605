import { Select } from 'antd';
import { useOpenCases } from '../fhir/queries';
import { useName, useWords } from '../words/words';
import en from './en.json';
import type { Pointed } from './parameters';
import zh from './zh.json';

interface Props { id?: string; value?: Pointed; onChange: (v?: Pointed) => void; status?: 'error'; patient?: string; slug?: string }

// TaskPicker finds an open case of the same patient.
export default function TaskPicker({ value, onChange, status, patient, slug = 'referral', ...aria }: Props) {
  const t = useWords({ zh, en });
  const say = useName();
  const open = useOpenCases(slug, patient);
  const options = (open.data ?? []).map((r) => ({ value: r.task, label: `${say(r.stateName)} · ${r.what} · ${r.from?.display ?? ''} → ${r.to?.display ?? ''}`, what: r.what }));
  return (
    <Select {...aria} status={status} allowClear={!status} loading={open.isLoading} placeholder={t('choose')} notFoundContent={t('noOpenCase')} style={{ width: '100%' }} value={value?.reference} options={options}
      onChange={(v?: string) => onChange(v ? { reference: v, display: options.find((o) => o.value === v)?.what } : undefined)} />
  );
}
