import { useQuery } from '@tanstack/react-query';
import { Select } from 'antd';
import { useMemo } from 'react';
import { get, query } from '../fhir/client';
import { useWords } from '../words/words';
import en from './en.json';
import type { Pointed } from './parameters';
import zh from './zh.json';

interface Person { resourceType: string; id: string; name?: { text?: string; family?: string; given?: string[] }[]; practitioner?: Pointed; organization?: Pointed; specialty?: { text?: string }[] }

export default function PersonPicker({ value, onChange, status, org, ...aria }: {
  id?: string; value?: Pointed; onChange: (v?: Pointed) => void; status?: 'error'; org?: string;
}) {
  const t = useWords({ zh, en });
  const people = useQuery({
    queryKey: ['practitioners', org],
    staleTime: 600_000,
    queryFn: () => get<{ entry?: { resource?: Person }[] }>(
      `/fhir/PractitionerRole${query({ organization: org, _count: 200, _include: 'PractitionerRole:practitioner' })}`),
  });
  const options = useMemo(() => {
    const all = (people.data?.entry ?? []).map((e) => e.resource).filter((r): r is Person => !!r);
    const named = new Map(all.filter((r) => r.resourceType === 'Practitioner').map((p) => [`Practitioner/${p.id}`, p.name?.[0]?.text ?? `${p.name?.[0]?.family ?? ''}${p.name?.[0]?.given?.join('') ?? ''}`]));
    const seen = new Map<string, { value: string; label: string }>();
    for (const r of all) {
      const who = r.practitioner?.reference;
      if (r.resourceType !== 'PractitionerRole' || !who) continue;
      const label = [named.get(who) ?? r.practitioner?.display ?? who, r.specialty?.[0]?.text].filter(Boolean).join(' · ');
      seen.set(who, { value: who, label });
    }
    for (const [reference, label] of named) if (!seen.has(reference)) seen.set(reference, { value: reference, label });
    return [...seen.values()];
  }, [people.data]);
  return (
    <Select {...aria} status={status} allowClear showSearch={{ optionFilterProp: 'label' }} loading={people.isLoading} options={options} value={value?.reference}
      placeholder={t('pickPerson')} notFoundContent={people.error ? t('orgsFailed') : t('nobody')} style={{ width: '100%' }}
      onChange={(v?: string) => onChange(v ? { reference: v, display: options.find((o) => o.value === v)?.label } : undefined)} />
  );
}
