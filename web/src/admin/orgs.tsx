import { useQueryClient } from '@tanstack/react-query';
import { App, Button, Checkbox, Input, Select, Tree } from 'antd';
import { useEffect, useMemo, useState, type FormEvent } from 'react';
import { call, get, idOf, Refusal } from '../fhir/client';
import { useOrgs } from '../fhir/queries';
import type { OrgNode } from '../fhir/types';
import OrgPicker from '../line/org-picker';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { useWords } from '../words/words';
import en from './en.json';
import zh from './zh.json';

export default function Orgs() {
  const t = useWords({ zh, en });
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
              {adding ? <OrgForm key={`new-${adding.parent?.reference ?? ''}`} parent={adding.parent} onDone={(r) => {
                setAdding(null);
                if (r) setAt(r);
              }} />
                : chosen ? <OrgForm key={at} org={chosen} onDone={() => undefined} />
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

interface Organization {
  resourceType: 'Organization'; id?: string; meta?: { versionId?: string }; active?: boolean; name?: string; partOf?: { reference?: string; display?: string };
  type?: { coding?: { system?: string; code?: string; display?: string }[]; text?: string }[]; telecom?: { system?: string; value?: string }[]; identifier?: { system?: string; value?: string }[];
}
const typeSystem = 'http://terminology.hl7.org/CodeSystem/organization-type';

function OrgForm({ org, parent, onDone }: { org?: OrgNode; parent?: OrgNode; onDone: (reference?: string) => void }) {
  const t = useWords({ zh, en });
  const client = useQueryClient();
  const { message } = App.useApp();
  const [old, setOld] = useState<Organization | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  const [name, setName] = useState(org?.name ?? '');
  const [type, setType] = useState('prov');
  const [phone, setPhone] = useState('');
  const [active, setActive] = useState(true);
  const [under, setUnder] = useState(parent ? { reference: parent.reference, display: parent.name } : undefined);
  const [why, setWhy] = useState('');
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    if (!org) return;
    let here = true;
    get<Organization>(`/fhir/${org.reference}`).then((o) => {
      if (!here) return;
      setOld(o);
      setName(o.name ?? '');
      setType(o.type?.[0]?.coding?.find((c) => c.system === typeSystem)?.code ?? 'prov');
      setPhone(o.telecom?.find((c) => c.system === 'phone')?.value ?? '');
      setActive(o.active !== false);
      setUnder(o.partOf?.reference ? { reference: o.partOf.reference, display: o.partOf.display ?? '' } : undefined);
    }, (e: unknown) => here && setFailed(e));
    return () => {
      here = false;
    };
  }, [org]);

  async function save(e: FormEvent) {
    e.preventDefault();
    if (!name.trim()) return setWhy(t('needName'));
    setBusy(true);
    setWhy('');
    const rest = (old?.type?.[0]?.coding ?? []).filter((c) => c.system !== typeSystem);
    const body: Organization = {
      ...(old ?? { resourceType: 'Organization' }), active, name: name.trim(),
      type: [{ ...old?.type?.[0], coding: [{ system: typeSystem, code: type }, ...rest] }, ...(old?.type?.slice(1) ?? [])],
      telecom: [...(old?.telecom ?? []).filter((c) => c.system !== 'phone'), ...(phone.trim() ? [{ system: 'phone', value: phone.trim() }] : [])],
      partOf: under?.reference ? { reference: under.reference, ...(under.display ? { display: under.display } : {}) } : undefined,
    };
    if (!body.telecom?.length) delete body.telecom;
    try {
      const said = await call<Organization>(old ? `/fhir/Organization/${old.id}` : '/fhir/Organization', {
        method: old ? 'PUT' : 'POST', body, headers: old?.meta?.versionId ? { 'If-Match': `W/"${old.meta.versionId}"`, Prefer: 'return=representation' } : { Prefer: 'return=representation' },
      });
      if (said?.id) setOld(said);
      void message.success(t('saved'));
      await client.invalidateQueries({ queryKey: ['orgs'] });
      void client.invalidateQueries({ queryKey: ['targets'] });
      onDone(said?.id ? `Organization/${said.id}` : undefined);
    } catch (error) {
      setWhy(error instanceof Refusal ? error.message || error.code : String(error));
    } finally {
      setBusy(false);
    }
  }
  if (failed) return <ErrorState error={failed} />;
  if (org && !old) return <Loading rows={6} />;
  return (
    <form onSubmit={save} className="stack narrow" noValidate aria-label={org ? t('editOrg') : t('newOrg')}>
      <h2>{org ? t('editOrg') : t('newOrg')}{org && <span className="quiet small"> {idOf(org.reference)}</span>}</h2>
      <label htmlFor="org-name">{t('orgName')} <span className="required" aria-hidden>*</span></label>
      <Input id="org-name" value={name} onChange={(e) => setName(e.target.value)} aria-invalid={!!why} />
      <label htmlFor="org-type">{t('orgType')}</label>
      <Select id="org-type" value={type} onChange={setType} options={['prov', 'dept', 'govt', 'ins', 'other'].map((v) => ({ value: v, label: t(`type.${v}`) }))} />
      <label htmlFor="org-parent">{t('orgParent')}</label>
      <OrgPicker id="org-parent" value={under} onChange={(v) => setUnder(v as typeof under)} />
      <label htmlFor="org-phone">{t('orgPhone')}</label>
      <Input id="org-phone" type="tel" value={phone} onChange={(e) => setPhone(e.target.value)} />
      <Checkbox checked={active} onChange={(e) => setActive(e.target.checked)}>{t('orgActive')}</Checkbox>
      <div className="field-error" role="alert">{why}</div>
      <div className="actions">
        <Button type="primary" htmlType="submit" loading={busy}>{t('save')}</Button>
        {!org && <Button onClick={() => onDone()}>{t('cancel')}</Button>}
      </div>
    </form>
  );
}
