import { useQuery } from '@tanstack/react-query';
import { AutoComplete } from 'antd';
import { useDeferredValue, useEffect, useMemo, useState } from 'react';
import { get, query } from '../fhir/client';
import { usePatient } from '../fhir/queries';
import { useWords } from '../words/words';
import { diagnoses } from './diagnoses';
import en from './en.json';
import type { Coded } from './parameters';
import zh from './zh.json';

// the value set that whoever runs the hub fills with the codes to choose from
const loadedSet = 'https://xinglin.health/fhir/ValueSet/diagnosis';

interface Expansion { expansion?: { contains?: { system?: string; code: string; display?: string; abstract?: boolean }[] } }

const short = (q: string): Coded[] =>
  diagnoses.filter(([code, name, initials]) => !q || name.includes(q) || initials.startsWith(q) || code.toLowerCase().startsWith(q))
    .map(([code, display]) => ({ code, display }));

// useCodes finds codes among those loaded; the short list where none are, or nothing has been typed yet.
function useCodes(typed: string, wanted: boolean): Coded[] {
  const loaded = useQuery({
    queryKey: ['diagnoses loaded'], enabled: wanted, staleTime: 300_000, retry: false,
    queryFn: async ({ signal }) => ((await get<{ total?: number }>(`/fhir/ValueSet${query({ url: loadedSet, _summary: 'count' })}`, signal)).total ?? 0) > 0,
  });
  const ask = wanted && loaded.data === true && typed !== '';
  const found = useQuery<Coded[]>({
    queryKey: ['diagnoses', typed], enabled: ask, staleTime: 300_000, retry: false, placeholderData: (before) => before,
    queryFn: async ({ signal }) => {
      const answer = await get<Expansion>(`/fhir/ValueSet/$expand${query({ url: loadedSet, filter: typed, count: 12, activeOnly: 'true' })}`, signal);
      return (answer.expansion?.contains ?? []).filter((c) => !c.abstract).map((c) => ({ system: c.system, code: c.code, display: c.display ?? c.code }));
    },
  });
  return useMemo(() => (!wanted ? [] : ask && found.data ? found.data : short(typed)), [wanted, ask, found.data, typed]);
}

// CodePicker finds a code by Chinese, pinyin initials or the code itself; the patient's own conditions come first;
// words that have no code stay as words.
export default function CodePicker({ value, onChange, status, system, patient, ...aria }: {
  id?: string; value?: Coded; onChange: (v?: Coded) => void; status?: 'error'; system?: string; patient?: string;
}) {
  const t = useWords({ zh, en });
  const [typed, setTyped] = useState(value?.display ?? '');
  const record = usePatient(patient, 'condition');
  const icd = !system || /icd/i.test(system);
  const q = useDeferredValue(typed.trim().toLowerCase());
  const list = useCodes(q, icd);
  const options = useMemo(() => {
    const own = (record.data?.pages[0]?.timeline ?? []).filter((c) => c.kind === 'condition').map((c) => c.title);
    const mine = [...new Set(own)].filter((title) => !q || title.toLowerCase().includes(q)).slice(0, 5)
      .map((title) => ({ key: title, value: title, label: <span>{title} <span className="quiet small">{t('ownCondition')}</span></span> }));
    const seen = new Set(mine.map((m) => m.value));
    const rest = list.filter((c) => !seen.has(c.display) && seen.add(c.display)).slice(0, 12)
      .map((c) => ({ key: c.code, value: c.display, label: <span>{c.display} <span className="quiet small num">{c.code}</span></span> }));
    return [...mine, ...rest];
  }, [q, record.data, list, t]);
  const choose = (text: string) => {
    setTyped(text);
    const name = text.trim();
    onChange(name ? (list.find((c) => c.display === name) ?? { display: name }) : undefined);
  };
  // who types the whole name before the answer is there gets its code all the same
  useEffect(() => {
    const same = value && !value.code && list.find((c) => c.display === value.display);
    if (same) onChange(same);
  }, [list, value, onChange]);
  return (
    <AutoComplete {...aria} status={status} value={typed} onChange={(v) => choose(String(v ?? ''))} options={options} placeholder={t('pickCode')} style={{ width: '100%' }} allowClear
      popupMatchSelectWidth={Math.min(480, window.innerWidth - 32)} />
  );
}
