import { Select } from 'antd';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { get, query } from '../../../web/src/fhir/client';
import type { Pointed } from '../../../web/src/line/parameters';
import { useMarks, useName, useWords } from '../../../web/src/words/words';
import en from './en.json';
import zh from './zh.json';

interface Name { zh: string; en: string }
interface Row { institution: string; name: string; specialty: string; specialtyName?: string; level: string; free: number; agreed: boolean; own?: boolean; reasons: Name[] }
interface Directory { rows: Row[]; specialties: { code: string; name: string }[] }

const most = 5;

// firsts keeps the best row of each other hospital, in the directory's order.
export function firsts(rows: Row[]): Row[] {
  const seen = new Set<string>();
  return rows.filter((r) => !r.own && !seen.has(r.institution) && !!seen.add(r.institution)).slice(0, most);
}

// Capacity says which hospitals can take the patient now, and why in this order; a click chooses one.
export function Capacity({ value, choose }: { value?: string; choose: (to: Pointed) => void }) {
  const t = useWords({ zh, en });
  const marks = useMarks();
  const say = useName();
  const [specialty, setSpecialty] = useState('');
  const all = useQuery({ queryKey: ['beds', 'directory', 'refer', specialty], staleTime: 60_000, queryFn: () => get<Directory>(`/api/beds/directory${query({ specialty })}`) });
  const rows = firsts(all.data?.rows ?? []);
  if (all.error) return <p className="quiet small">{t('capacityFailed')}</p>;
  if (!rows.length && !specialty) return null;
  return (
    <section className="capacity field field-wide" aria-label={t('capacity')}>
      <span className="label">{t('capacity')} <Select size="small" allowClear aria-label={t('capacityFor')} placeholder={t('capacityFor')} style={{ minWidth: 150 }} value={specialty || undefined}
        onChange={(v?: string) => setSpecialty(v ?? '')} options={(all.data?.specialties ?? []).map((s) => ({ value: s.code, label: s.name || s.code }))} /></span>
      <ul className="bare">
        {rows.map((r) => (
          <li key={r.institution}>
            <button type="button" className={r.institution === value ? 'chip chip-at' : 'chip'} aria-pressed={r.institution === value} onClick={() => choose({ reference: r.institution, display: r.name })}>{r.name}</button>{' '}
            <span className="quiet small">{[r.specialtyName, ...r.reasons.map(say)].filter(Boolean).join(marks.comma)}</span>
          </li>
        ))}
      </ul>
      {!rows.length && <p className="quiet small">{t('capacityNone')}</p>}
    </section>
  );
}
