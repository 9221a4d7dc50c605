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
    return (home?.children ?? []).filter((o) => isDepartment(o)).map((o) => ({ value: short(o.name, home?.name), reference: o.reference }));
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
const short = (name: string, home?: string) => (home && name.startsWith(home) ? name.slice(home.length) || name : name);

function find(nodes: OrgNode[], reference: string): OrgNode | undefined {
  for (const n of nodes) {
    const hit = n.reference === reference ? n : find(n.children ?? [], reference);
    if (hit) return hit;
  }
  return undefined;
}
