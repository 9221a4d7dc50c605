import { AutoComplete } from 'antd';
import { useMemo } from 'react';
import { useTargets } from '../fhir/orgs';
import type { OrgNode } from '../fhir/types';
import { useWords } from '../words/words';
import en from './en.json';
import type { Pointed } from './parameters';
import zh from './zh.json';

// The departments of one institution; a word will do where its register has none.
export default function DepartmentPicker({ value, onChange, status, at, ...aria }: { id?: string; value?: Pointed | string; onChange: (v?: Pointed | string) => void; status?: 'error'; at?: string }) {
  const t = useWords({ zh, en });
  const orgs = useTargets();
  const options = useMemo(() => {
    const home = at ? find(orgs.data ?? [], at) : undefined;
    const all = (home?.children ?? []).filter((o) => isDepartment(o));
    const names = shorts(all.map((o) => o.name), home?.name);
    return all.map((o, i) => ({ value: names[i]!, reference: o.reference }));
  }, [orgs.data, at]);
  const text = typeof value === 'string' ? value : (value?.display ?? '');
  return (
    <AutoComplete {...aria} status={status} allowClear options={options} value={text || undefined} placeholder={t(options.length ? 'pickDepartment' : 'typeDepartment')} style={{ width: '100%' }}
      showSearch={{ filterOption: (typed, o) => !typed || String(o?.value).includes(typed) || typed === text }}
      onChange={(v?: string) => {
        const one = options.find((o) => o.value === v);
        onChange(one ? { reference: one.reference, display: one.value } : v || undefined);
      }} />
  );
}

// What stands directly beneath an institution and is none itself.
const isDepartment = (o: OrgNode) => !o.children?.length && /科|部|中心|病区|Department|Ward/i.test(`${o.type ?? ''}${o.name}`);

// shorts leaves away the hospital's name, by which all its departments are called, whichever of its names that is.
export function shorts(names: string[], home = ''): string[] {
  if (names.length < 2 || names.every((n) => home && n.startsWith(home))) return names.map((n) => (home && n.startsWith(home) ? n.slice(home.length) || n : n));
  let same = 0;
  while (same < names[0]!.length && names.every((n) => n[same] === names[0]![same])) same++;
  return same < 4 ? names : names.map((n) => n.slice(same) || n);
}

function find(nodes: OrgNode[], reference: string): OrgNode | undefined {
  for (const n of nodes) {
    const hit = n.reference === reference ? n : find(n.children ?? [], reference);
    if (hit) return hit;
  }
  return undefined;
}
