import { useQuery, useQueryClient } from '@tanstack/react-query';
import { App, Button, Checkbox, Input, Select, Tabs } from 'antd';
import { useEffect, useState, type FormEvent } from 'react';
import { get, idOf, query, Refusal } from '../fhir/client';
import type { OrgNode } from '../fhir/types';
import OrgPicker from '../line/org-picker';
import { ErrorState, Loading } from '../states/states';
import { dateOf } from '../words/time';
import { useLang, useWords } from '../words/words';
import { address, codeOf, numberOf, save, system, termName, useCatalogue, withExtension, withNumber, type Coded, type Resource, type Term } from './data';
import en from './en.json';
import Heads from './heads';
import History from './history';
import zh from './zh.json';

export interface Organization extends Resource {
  resourceType: 'Organization'; name?: string; partOf?: { reference?: string; display?: string }; type?: Coded[]; telecom?: { system?: string; value?: string; use?: string }[]; address?: { text?: string }[];
}
const typeSystem = 'http://terminology.hl7.org/CodeSystem/organization-type';
const ownTypes = 'https://xinglin.health/fhir/CodeSystem/organisation-type';

export function OrgPanel({ org, parent, onDone, onPerson }: { org?: OrgNode; parent?: OrgNode; onDone: (reference?: string) => void; onPerson: (reference: string) => void }) {
  const t = useWords({ zh, en });
  if (!org) return <OrgForm parent={parent} onDone={onDone} />;
  return (
    <>
      <h2>{org.name} <span className="quiet small">{t('recordNumber')} {idOf(org.reference)}</span></h2>
      <Tabs size="small" items={[
        { key: 'facts', label: t('facts'), children: <OrgForm org={org} onDone={onDone} /> },
        { key: 'heads', label: t('heads'), children: <Heads org={org.reference} onPerson={onPerson} /> },
        { key: 'services', label: t('services'), children: <Services org={org} /> },
        { key: 'history', label: t('history'), children: <History reference={org.reference} /> },
      ]} />
    </>
  );
}

function OrgForm({ org, parent, onDone }: { org?: OrgNode; parent?: OrgNode; onDone: (reference?: string) => void }) {
  const t = useWords({ zh, en });
  const lang = useLang();
  const client = useQueryClient();
  const { message } = App.useApp();
  const terms = useCatalogue();
  const [old, setOld] = useState<Organization | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  const [f, setF] = useState({ name: org?.name ?? '', type: 'prov', level: '', grade: '', credit: '', licence: '', insurance: '', area: '', phone: '', address: '', active: true });
  const [under, setUnder] = useState(parent ? { reference: parent.reference, display: parent.name } : undefined);
  const [why, setWhy] = useState<{ at?: string; text: string }>({ text: '' });
  const [busy, setBusy] = useState(false);
  const put = (part: Partial<typeof f>) => setF((x) => ({ ...x, ...part }));
  useEffect(() => {
    if (!org) return;
    let here = true;
    get<Organization>(`/fhir/${org.reference}`).then((o) => {
      if (here) fill(o);
    }, (e: unknown) => here && setFailed(e));
    return () => {
      here = false;
    };
  }, [org]);
  function fill(o: Organization) {
    setOld(o);
    setF({
      name: o.name ?? '', type: o.type?.[0]?.coding?.find((c) => c.system === typeSystem || c.system === ownTypes)?.code ?? o.type?.[0]?.coding?.[0]?.code ?? 'prov',
      level: codeOf(o, address.level), grade: codeOf(o, address.grade), area: codeOf(o, address.area), credit: numberOf(o, system.credit), licence: numberOf(o, system.institution), insurance: numberOf(o, system.insurance),
      phone: o.telecom?.find((c) => c.system === 'phone')?.value ?? '', address: o.address?.[0]?.text ?? '', active: o.active !== false,
    });
    setUnder(o.partOf?.reference ? { reference: o.partOf.reference, display: o.partOf.display ?? '' } : undefined);
  }

  async function submit(e: FormEvent) {
    e.preventDefault();
    if (!f.name.trim()) return setWhy({ at: 'name', text: t('needName') });
    setBusy(true);
    setWhy({ text: '' });
    const rest = (old?.type?.[0]?.coding ?? []).filter((c) => c.system !== typeSystem && c.system !== ownTypes);
    const code = (v: string, url: string) => (v ? { url, valueCode: v } : undefined);
    let extension = withExtension(old?.extension, address.level, code(f.level, address.level));
    extension = withExtension(extension, address.grade, code(f.grade, address.grade));
    extension = withExtension(extension, address.area, code(f.area.trim(), address.area));
    let identifier = withNumber(old?.identifier, system.credit, f.credit.trim());
    identifier = withNumber(identifier, system.institution, f.licence.trim());
    identifier = withNumber(identifier, system.insurance, f.insurance.trim());
    const phones = [...(old?.telecom ?? []).filter((c) => c.system !== 'phone'), ...(f.phone.trim() ? [{ system: 'phone', value: f.phone.trim(), use: 'work' }] : [])];
    const body: Organization = {
      ...(old ?? { resourceType: 'Organization' }), extension, identifier, active: f.active, name: f.name.trim(),
      type: [{ ...old?.type?.[0], coding: [{ system: ['network', 'campus', 'ward'].includes(f.type) ? ownTypes : typeSystem, code: f.type }, ...rest], text: termName(terms.data?.types, f.type) }, ...(old?.type?.slice(1) ?? [])],
      telecom: phones.length ? phones : undefined, address: f.address.trim() ? [{ ...old?.address?.[0], text: f.address.trim() }] : undefined,
      partOf: under?.reference ? { reference: under.reference, ...(under.display ? { display: under.display } : {}) } : undefined,
    };
    try {
      const said = await save(body);
      if (said?.id) fill(said);
      void message.success(t('saved'));
      for (const key of ['orgs', 'targets', 'history']) await client.invalidateQueries({ queryKey: [key] });
      onDone(said?.id ? `Organization/${said.id}` : undefined);
    } catch (error) {
      setWhy(error instanceof Refusal ? { at: placeOf(error, body), text: error.message || error.code } : { text: String(error) });
    } finally {
      setBusy(false);
    }
  }
  if (failed) return <ErrorState error={failed} />;
  if (org && !old) return <Loading rows={6} />;
  const options = (list?: Term[]) => [{ value: '', label: t('none') }, ...(list ?? []).map((x) => ({ value: x.code, label: lang === 'en' ? x.en : x.zh }))];
  const text = (key: 'name' | 'credit' | 'licence' | 'insurance' | 'area' | 'phone' | 'address', label: string, must = false, help = '') => (
    <div className="stack">
      <label htmlFor={`org-${key}`}>{label} {must && <span className="required" aria-hidden>*</span>}</label>
      <Input id={`org-${key}`} value={f[key]} onChange={(e) => put({ [key]: e.target.value })} status={why.at === key ? 'error' : undefined} aria-invalid={why.at === key} aria-describedby={why.at === key ? 'org-why' : undefined} placeholder={help} maxLength={200} />
    </div>
  );
  const choice = (key: 'type' | 'level' | 'grade', label: string, list?: Term[], none = true) => (
    <div className="stack">
      <label htmlFor={`org-${key}`}>{label}</label>
      <Select id={`org-${key}`} value={f[key]} onChange={(v) => put({ [key]: v })} options={none ? options(list) : options(list).slice(1)} />
    </div>
  );
  const part = ['dept', 'ward', 'team'].includes(f.type);
  return (
    <form onSubmit={submit} className="stack wide-form" noValidate aria-label={org ? t('editOrg') : t('newOrg')}>
      {!org && <h2>{t('newOrg')}</h2>}
      <div className="two">{text('name', t('orgName'), true)}{choice('type', t('orgType'), terms.data?.types, false)}</div>
      <label htmlFor="org-parent">{t('orgParent')}</label>
      <OrgPicker id="org-parent" value={under} onChange={(v) => setUnder(v as typeof under)} />
      {!part && <div className="two">{choice('level', t('orgLevel'), terms.data?.levels)}{choice('grade', t('orgGrade'), terms.data?.grades)}</div>}
      {!part && <div className="two">{text('credit', t('orgCredit'), false, '18 位')}{text('licence', t('orgLicence'), false, '22 位')}</div>}
      {!part && <div className="two">{text('insurance', t('orgInsurance'), false, 'H + 11 位')}{text('area', t('orgArea'), false, '6 / 9 / 12 位')}</div>}
      <div className="two">{text('phone', t('orgPhone'))}{text('address', t('orgAddress'))}</div>
      <Checkbox checked={f.active} onChange={(e) => put({ active: e.target.checked })}>{t('orgActive')}</Checkbox>
      <div className="field-error" role="alert" id="org-why">{why.text}</div>
      <div className="actions">
        <Button type="primary" htmlType="submit" loading={busy}>{t('save')}</Button>
        {!org && <Button onClick={() => onDone()}>{t('cancel')}</Button>}
      </div>
    </form>
  );
}

// placeOf finds the field that a refusal speaks of.
function placeOf(error: Refusal, body: Organization): string {
  const at = error.issues[0]?.at ?? '';
  const id = /identifier\[(\d+)\]/.exec(at);
  const sys = id ? body.identifier?.[Number(id[1])]?.system : '';
  return { [system.credit]: 'credit', [system.institution]: 'licence', [system.insurance]: 'insurance' }[sys ?? ''] ?? (error.code === 'bad-area' ? 'area' : '');
}

interface Service extends Resource { resourceType: 'HealthcareService'; name?: string; category?: Coded[]; comment?: string; providedBy?: { reference?: string; display?: string }; notAvailable?: { description: string; during?: { start?: string; end?: string } }[] }

function Services({ org }: { org: OrgNode }) {
  const t = useWords({ zh, en });
  const lang = useLang();
  const client = useQueryClient();
  const terms = useCatalogue();
  const [editing, setEditing] = useState<Service | null>(null);
  const all = useQuery({
    queryKey: ['services', org.reference],
    queryFn: async () => ((await get<{ entry?: { resource?: Service }[] }>(`/fhir/HealthcareService${query({ organization: org.reference, _count: 200 })}`)).entry ?? []).map((e) => e.resource!).filter(Boolean),
  });
  if (all.error) return <ErrorState compact error={all.error} onRetry={() => void all.refetch()} />;
  if (!all.data) return <Loading rows={4} />;
  const period = (s: Service) => s.extension?.find((e) => e.url === address.service)?.valuePeriod;
  return (
    <div className="stack">
      {all.data.length === 0 ? <p className="quiet">{t('noServices')}</p> : (
        <table className="plain" aria-label={t('services')}>
          <thead><tr><th scope="col">{t('service')}</th><th scope="col">{t('category')}</th><th scope="col">{t('offeredTerm')}</th><th scope="col">{t('state')}</th></tr></thead>
          <tbody>{all.data.map((s) => (
            <tr key={s.id}>
              <td><button type="button" className="row-open" onClick={() => setEditing(s)}>{s.name}</button>{s.comment && <div className="quiet small">{s.comment}</div>}</td>
              <td>{termName(terms.data?.capabilities, s.category?.[0]?.coding?.[0]?.code, lang)}</td>
              <td className="num nowrap">{period(s)?.start || period(s)?.end ? `${dateOf(period(s)?.start) || t('open')} – ${dateOf(period(s)?.end) || t('open')}` : t('open')}</td>
              <td><span className={`mark ${s.active === false ? 'mark-closed' : 'mark-done'}`}>{t(s.active === false ? 'stopped' : 'inForce')}</span></td>
            </tr>
          ))}</tbody>
        </table>
      )}
      {editing ? <ServiceForm key={editing.id ?? 'new'} org={org} old={editing} onDone={() => {
        setEditing(null);
        void client.invalidateQueries({ queryKey: ['services', org.reference] });
      }} /> : <div className="actions"><Button onClick={() => setEditing({ resourceType: 'HealthcareService', active: true })}>{t('newService')}</Button></div>}
    </div>
  );
}

function ServiceForm({ org, old, onDone }: { org: OrgNode; old: Service; onDone: () => void }) {
  const t = useWords({ zh, en });
  const lang = useLang();
  const terms = useCatalogue();
  const was = old.extension?.find((e) => e.url === address.service)?.valuePeriod;
  const gone = old.notAvailable?.[0];
  const [f, setF] = useState({ name: old.name ?? '', category: old.category?.[0]?.coding?.[0]?.code ?? 'technique', comment: old.comment ?? '', from: was?.start ?? '', until: was?.end ?? '', offFrom: gone?.during?.start?.slice(0, 10) ?? '', offUntil: gone?.during?.end?.slice(0, 10) ?? '', active: old.active !== false });
  const [why, setWhy] = useState('');
  const put = (part: Partial<typeof f>) => setF((x) => ({ ...x, ...part }));
  async function submit(e: FormEvent) {
    e.preventDefault();
    if (!f.name.trim()) return setWhy(t('needName'));
    try {
      await save<Service>({
        ...old, active: f.active, name: f.name.trim(), comment: f.comment.trim() || undefined, providedBy: old.providedBy ?? { reference: org.reference, display: org.name },
        category: [{ coding: [{ system: system.capability, code: f.category, display: termName(terms.data?.capabilities, f.category) }] }],
        extension: withExtension(old.extension, address.service, f.from || f.until ? { url: address.service, valuePeriod: { ...(f.from ? { start: f.from } : {}), ...(f.until ? { end: f.until } : {}) } } : undefined),
        notAvailable: f.offFrom ? [{ description: gone?.description ?? t('paused'), during: { start: f.offFrom, ...(f.offUntil ? { end: f.offUntil } : {}) } }] : undefined,
      });
      onDone();
    } catch (error) {
      setWhy(error instanceof Refusal ? error.message || error.code : String(error));
    }
  }
  const date = (key: 'from' | 'until' | 'offFrom' | 'offUntil', label: string) => (
    <div className="stack"><label htmlFor={`service-${key}`}>{label}</label><Input id={`service-${key}`} type="date" value={f[key]} onChange={(e) => put({ [key]: e.target.value })} /></div>
  );
  return (
    <form onSubmit={submit} className="stack boxed" noValidate aria-label={t('service')}>
      <div className="two">
        <div className="stack"><label htmlFor="service-name">{t('service')} <span className="required" aria-hidden>*</span></label><Input id="service-name" value={f.name} maxLength={100} onChange={(e) => put({ name: e.target.value })} /></div>
        <div className="stack"><label htmlFor="service-category">{t('category')}</label><Select id="service-category" value={f.category} onChange={(category) => put({ category })} options={(terms.data?.capabilities ?? []).map((c) => ({ value: c.code, label: lang === 'en' ? c.en : c.zh }))} /></div>
      </div>
      <div className="two">{date('from', t('from'))}{date('until', t('until'))}</div>
      <div className="two">{date('offFrom', t('pausedFrom'))}{date('offUntil', t('pausedUntil'))}</div>
      <label htmlFor="service-comment">{t('comment')}</label>
      <Input id="service-comment" value={f.comment} maxLength={200} onChange={(e) => put({ comment: e.target.value })} />
      <Checkbox checked={f.active} onChange={(e) => put({ active: e.target.checked })}>{t('offered')}</Checkbox>
      <div className="field-error" role="alert">{why}</div>
      <div className="actions"><Button type="primary" htmlType="submit">{t('save')}</Button><Button onClick={onDone}>{t('cancel')}</Button></div>
    </form>
  );
}
