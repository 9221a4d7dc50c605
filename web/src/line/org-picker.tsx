import { TreeSelect } from 'antd';
import { useMemo } from 'react';
import { useAskable, useTargets } from '../fhir/orgs';
import type { OrgNode } from '../fhir/types';
import { useMarks, useWords } from '../words/words';
import en from './en.json';
import type { Pointed } from './parameters';
import zh from './zh.json';

const recentKey = 'xinglin.recent-orgs';
export function recentOrgs(): Pointed[] {
  try {
    return (JSON.parse(localStorage.getItem(recentKey) ?? '[]') as Pointed[]).slice(0, 4);
  } catch {
    return [];
  }
}
export function rememberOrg(p?: Pointed) {
  if (!p?.reference) return;
  try {
    localStorage.setItem(recentKey, JSON.stringify([p, ...recentOrgs().filter((o) => o.reference !== p.reference)].slice(0, 4)));
  } catch {
    // a convenience only
  }
}

interface Props { id?: string; 'aria-label'?: string; value?: Pointed; onChange: (v?: Pointed) => void; status?: 'error'; service?: string; task?: string; free?: boolean }

export default function OrgPicker({ value, onChange, status, service, task, free, ...aria }: Props) {
  const t = useWords({ zh, en });
  const marks = useMarks();
  const orgs = useTargets();
  const may = useAskable(service, task);
  const askable = !service || free || !may.data || may.data.anywhere ? undefined : may.data.parties;
  const [tree, names, closed, top] = useMemo(() => {
    const names = new Map<string, string>(), closed = new Set<string>();
    // who has agreed to it, and everything beneath; the others are shown, and why they cannot be chosen
    const node = (above: boolean) => (o: OrgNode): { value: string; title: string; disabled?: boolean; children?: unknown[] } => {
      const agreed = above || !askable || askable.includes(o.reference);
      names.set(o.reference, o.name);
      if (!agreed) closed.add(o.reference);
      return { value: o.reference, title: agreed ? o.name : `${o.name}${marks.aside(t('noAgreement'))}`, disabled: !agreed, children: o.children?.length ? o.children.map(node(agreed)) : undefined };
    };
    const tree = (orgs.data ?? []).map(node(false));
    return [tree, names, closed, (orgs.data ?? []).map((o) => o.reference)] as const;
  }, [orgs.data, askable, marks, t]);
  const recent = recentOrgs().filter((r) => !orgs.data || (names.has(r.reference) && !closed.has(r.reference)));
  return (
    <div className="org-picker">
      <TreeSelect {...aria} status={status} showSearch={{ treeNodeFilterProp: 'title' }} allowClear treeDefaultExpandedKeys={top}
        loading={orgs.isLoading} placeholder={t('pickOrg')} style={{ width: '100%' }} styles={{ popup: { root: { maxHeight: 380, overflow: 'auto' } } }}
        notFoundContent={orgs.error ? t('orgsFailed') : undefined}
        treeData={tree as never} value={value?.reference}
        onChange={(v?: string) => onChange(v ? { reference: v, display: names.get(v) ?? value?.display } : undefined)} />
      {askable && <div className="quiet small">{t('onlyAgreed')}</div>}
      {recent.length > 0 && (
        <div className="recent">
          <span className="quiet small">{t('recent')}</span>
          {recent.map((r) => (
            <button key={r.reference} type="button" className={r.reference === value?.reference ? 'chip chip-at' : 'chip'} aria-pressed={r.reference === value?.reference} onClick={() => onChange(r)}>{r.display}</button>
          ))}
        </div>
      )}
    </div>
  );
}
