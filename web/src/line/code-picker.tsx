import { AutoComplete } from 'antd';
import { useMemo, useState } from 'react';
import { usePatient } from '../fhir/queries';
import { useWords } from '../words/words';
import { diagnoses } from './diagnoses';
import en from './en.json';
import type { Coded } from './parameters';
import zh from './zh.json';

// CodePicker finds a code by Chinese, pinyin initials or the code itself; the patient's own conditions come first;
// words that have no code stay as words.
export default function CodePicker({ value, onChange, status, system, patient, ...aria }: {
  id?: string; value?: Coded; onChange: (v?: Coded) => void; status?: 'error'; system?: string; patient?: string;
}) {
  const t = useWords({ zh, en });
  const [typed, setTyped] = useState(value?.display ?? '');
  const record = usePatient(patient, 'condition');
  const icd = !system || /icd/i.test(system);
  const options = useMemo(() => {
    const q = typed.trim().toLowerCase();
    const own = (record.data?.pages[0]?.timeline ?? []).filter((c) => c.kind === 'condition').map((c) => c.title);
    const mine = [...new Set(own)].filter((title) => !q || title.toLowerCase().includes(q)).slice(0, 5)
      .map((title) => ({ value: title, label: <span>{title} <span className="quiet small">{t('ownCondition')}</span></span> }));
    if (!icd) return mine;
    const rest = diagnoses.filter(([code, name, initials]) => !q || name.includes(q) || initials.startsWith(q) || code.toLowerCase().startsWith(q))
      .filter(([, name]) => !own.includes(name)).slice(0, 12)
      .map(([code, name]) => ({ value: name, label: <span>{name} <span className="quiet small num">{code}</span></span> }));
    return [...mine, ...rest];
  }, [typed, record.data, icd, t]);
  const choose = (text: string) => {
    setTyped(text);
    const known = icd ? diagnoses.find(([, name]) => name === text.trim()) : undefined;
    onChange(text.trim() ? (known ? { code: known[0], display: known[1] } : { display: text.trim() }) : undefined);
  };
  return (
    <AutoComplete {...aria} status={status} value={typed} onChange={(v) => choose(String(v ?? ''))} options={options} placeholder={t('pickCode')} style={{ width: '100%' }} allowClear />
  );
}
