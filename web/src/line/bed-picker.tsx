import { Select } from 'antd';
import { useQuery } from '@tanstack/react-query';
import { get, query } from '../fhir/client';
import { useWords } from '../words/words';
import en from './en.json';
import type { Pointed } from './parameters';
import zh from './zh.json';

interface Props { id?: string; value?: Pointed; onChange: (v?: Pointed) => void; status?: 'error'; owner?: string }
interface Beds { wards?: { id: string; name: string }[] | null; beds?: { id: string; name: string; ward: string; state: string }[] | null }

// BedPicker finds a bed of the hospital that has the case: the free ones first, the others to be told why not.
export default function BedPicker({ value, onChange, status, owner, ...aria }: Props) {
  const t = useWords({ zh, en });
  const board = useQuery({ queryKey: ['beds', 'picker', owner], queryFn: () => get<Beds>(`/api/beds/board${query({ pool: owner })}`), staleTime: 10_000 });
  const wards = new Map((board.data?.wards ?? []).map((w) => [w.id, w.name]));
  const options = (board.data?.beds ?? []).filter((b) => b.state !== 'closed').map((b) => {
    const name = [wards.get(b.ward), b.name].filter(Boolean).join(' ');
    return { value: b.id, name, free: b.state === 'free', label: b.state === 'free' ? name : t('bedTaken', { bed: name }) };
  }).sort((a, b) => Number(b.free) - Number(a.free));
  if (value?.reference && !options.some((o) => o.value === value.reference)) options.unshift({ value: value.reference, name: value.display ?? '', free: true, label: value.display ?? value.reference });
  return (
    <Select {...aria} status={status} showSearch={{ optionFilterProp: 'label' }} allowClear loading={board.isLoading} placeholder={t('choose')} style={{ width: '100%' }} value={value?.reference}
      options={options} onChange={(v?: string) => onChange(v ? { reference: v, display: options.find((o) => o.value === v)?.name } : undefined)} />
  );
}
