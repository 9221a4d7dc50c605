import { Button, Input, Tree } from 'antd';
import { useMemo, useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { useOrgs } from '../fhir/queries';
import type { OrgNode } from '../fhir/types';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { useWords } from '../words/words';
import en from './en.json';
import { OrgPanel } from './org-form';
import './registry.css';
import zh from './zh.json';

export default function Orgs() {
  const t = useWords({ zh, en });
  const go = useNavigate();
  const orgs = useOrgs();
  const [at, setAt] = useState('');
  const [adding, setAdding] = useState<{ parent?: OrgNode } | null>(null);
  const [find, setFind] = useState('');
  const [open, setOpen] = useState<string[]>();
  const tree = useMemo(() => orgs.data ?? [], [orgs.data]);
  const byRef = useMemo(() => {
    const all = new Map<string, OrgNode>();
    const walk = (o: OrgNode) => {
      all.set(o.reference, o);
      o.children?.forEach(walk);
    };
    tree.forEach(walk);
    return all;
  }, [tree]);
  const wanted = useMemo(() => prune(tree, find.trim()), [tree, find]);
  const all = useMemo(() => [...byRef.keys()], [byRef]);
  const chosen = byRef.get(at);
  return (
    <section className="sheet split" aria-label={t('orgs')}>
      <div className="sheet-head">
        <h1>{t('orgs')}</h1>
        <span className="quiet num">{byRef.size || ''}</span>
        <span className="grow" />
        <Link to="/admin/import"><Button>{t('importFile')}</Button></Link>
        <Button onClick={() => setAdding({ parent: chosen })} type="primary">{chosen ? t('newChild') : t('newOrg')}</Button>
      </div>
      {orgs.error && !orgs.data ? <ErrorState error={orgs.error} onRetry={() => void orgs.refetch()} />
        : orgs.isLoading ? <Loading rows={14} />
        : tree.length === 0 && !adding ? <EmptyState title={t('orgsEmpty')} hint={t('orgsEmptyHint')}><Button onClick={() => setAdding({})}>{t('newOrg')}</Button></EmptyState>
        : (
          <div className="split-body">
            <div className="split-left">
              <Input.Search allowClear size="small" placeholder={t('findOrg')} aria-label={t('findOrg')} value={find} onChange={(e) => setFind(e.target.value)} />
              <Tree blockNode treeData={wanted as never} fieldNames={{ key: 'reference', title: 'name' }} selectedKeys={at ? [at] : []}
                expandedKeys={find ? all : (open ?? tree.map((o) => o.reference))} onExpand={(k) => setOpen(k as string[])}
                onSelect={(k) => {
                  setAdding(null);
                  setAt(String(k[0] ?? ''));
                }} />
            </div>
            <div className="split-right">
              {adding ? <OrgPanel key={`new-${adding.parent?.reference ?? ''}`} parent={adding.parent} onPerson={() => undefined} onDone={(r) => {
                setAdding(null);
                if (r) setAt(r);
              }} />
                : chosen ? <OrgPanel key={at} org={chosen} onDone={() => undefined} onPerson={(r) => go(`/admin/people?at=${encodeURIComponent(r)}`)} />
                : <p className="quiet">{t('pickOrgHint')}</p>}
            </div>
          </div>
        )}
    </section>
  );
}

function prune(tree: OrgNode[], q: string): OrgNode[] {
  if (!q) return tree;
  return tree.flatMap((o) => {
    const kids = prune(o.children ?? [], q);
    return o.name.includes(q) || kids.length ? [{ ...o, children: o.name.includes(q) ? o.children : kids }] : [];
  });
}
