import { useQueryClient } from '@tanstack/react-query';
import { App, Button, Checkbox, Input, Select } from 'antd';
import { useState, type FormEvent } from 'react';
import { get, idOf, Refusal } from '../fhir/client';
import OrgPicker from '../line/org-picker';
import type { Pointed } from '../line/parameters';
import { useWho } from '../shell/who';
import { ErrorState, Loading } from '../states/states';
import { useLang, useMarks, useName, useWords } from '../words/words';
import { address, save, spanText, system, termName, useActs, useCatalogue, useMember, usePosts, withExtension, type Coded, type Held, type Licence, type Member, type Resource, type Term } from './data';
import en from './en.json';
import { State } from './heads';
import History from './history';
import zh from './zh.json';

interface Period { start?: string; end?: string }
interface Qualification { extension?: Resource['extension']; identifier?: { system?: string; value?: string }[]; code: Coded; period?: Period; issuer?: { display?: string } }
interface Practitioner extends Resource { resourceType: 'Practitioner'; name?: { use?: string; text?: string; family?: string; given?: string[] }[]; gender?: string; telecom?: { system?: string; value?: string; use?: string }[]; qualification?: Qualification[] }
interface Role extends Resource { resourceType: 'PractitionerRole'; period?: Period; practitioner?: Pointed; organization?: Pointed; code?: Coded[]; notAvailable?: { description: string; during?: Period }[] }

type Editing = { what: 'person' } | { what: 'licence'; old?: Licence } | { what: 'role'; old?: Held } | null;

// useKeeps: administrators keep the register, all others read it.
export const useKeeps = () => useWho()?.role.role === 'administrator';

// PersonPanel is one person: who he is, what he is licensed for, what he holds where and when, what he may do today.
export function PersonPanel({ reference, org, onClose, onOpen }: { reference: string; org?: Pointed; onClose: () => void; onOpen: (reference: string) => void }) {
  const t = useWords({ zh, en });
  const marks = useMarks();
  const say = useName();
  const client = useQueryClient();
  const { message } = App.useApp();
  const keeps = useKeeps();
  const one = useMember(reference);
  const [editing, setEditing] = useState<Editing>(reference ? null : { what: 'person' });
  const [past, setPast] = useState(false);
  const [log, setLog] = useState(false);
  async function done(made?: string) {
    setEditing(null);
    if (made !== undefined) void message.success(t('saved'));
    await client.invalidateQueries({ queryKey: ['registry'] });
    void client.invalidateQueries({ queryKey: ['history'] });
    if (made && made !== reference) onOpen(made);
    else if (!reference) onClose();
  }
  if (!reference) return <aside className="subs-one panel" aria-label={t('newPerson')}><h2>{t('newPerson')}</h2><PersonForm org={org} onDone={done} /></aside>;
  if (one.error && !one.data) return <aside className="subs-one"><ErrorState error={one.error} onRetry={() => void one.refetch()} /></aside>;
  if (!one.data) return <aside className="subs-one"><Loading rows={10} /></aside>;
  const m = one.data;
  const posts = m.posts.filter((p) => past || p.inForce || (p.from && new Date(p.from) > new Date()));
  return (
    <aside className="subs-one panel" aria-label={m.name}>
      <div className="subs-title">
        <h2>{m.name}</h2>{m.number && <span className="quiet num">{m.number}</span>}
        <span className="grow" />
        {keeps && <Button size="small" onClick={() => setEditing({ what: 'person' })}>{t('edit')}</Button>}
        <Button size="small" type="text" onClick={onClose}>{t('close')}</Button>
      </div>
      {editing?.what === 'person' && <PersonForm reference={reference} onDone={done} />}
      <h3>{t('licence')} {keeps && <Button size="small" onClick={() => setEditing({ what: 'licence' })}>{t('add')}</Button>}</h3>
      {m.licences.length === 0 ? <p className="quiet">{t('noLicenceHint')}</p> : (
        <table className="plain" aria-label={t('licence')}><tbody>{m.licences.map((l, i) => (
          <tr key={l.number ?? i}>
            <td>{keeps ? <button type="button" className="row-open" onClick={() => setEditing({ what: 'licence', old: l })}>{say(l.name)}</button> : <b>{say(l.name)}</b>} <span className="quiet small">{l.scope}</span>
              <div className="small quiet num">{l.number} · {l.places.map((p) => p.display).join(marks.list) || t('noPlace')}</div></td>
            <td className="num nowrap">{spanText(l, t('open'))}</td>
            <td><span className={`mark ${l.inForce ? 'mark-done' : 'mark-late'}`}>{t(l.inForce ? 'inForce' : l.suspended ? 'suspended' : 'over')}</span></td>
          </tr>
        ))}</tbody></table>
      )}
      {editing?.what === 'licence' && <LicenceForm reference={reference} old={editing.old} org={org} onDone={done} />}
      <h3>{t('rolesAndPosts')} {keeps && <Button size="small" onClick={() => setEditing({ what: 'role' })}>{t('appoint')}</Button>}
        <span className="grow" /><Checkbox checked={past} onChange={(e) => setPast(e.target.checked)}>{t('showPast')}</Checkbox></h3>
      {posts.length === 0 ? <p className="quiet">{t('noRoleNow')}</p> : (
        <table className="plain" aria-label={t('rolesAndPosts')}><tbody>{posts.map((p) => (
          <tr key={p.role + p.code} className={p.inForce ? '' : 'row-over'}>
            <td>{keeps ? <button type="button" className="row-open" onClick={() => setEditing({ what: 'role', old: p })}>{say(p.name)}</button> : <b>{say(p.name)}</b>} <span className="small">{p.org.display}</span>
              {p.standsFor && <span className="quiet small"> · {t('substitute')}</span>}
              {p.basis && <div className="small">{t('basis')}{marks.colon}{say(p.basis.name)}</div>}
              {p.rights.length > 0 && <div className="small quiet">{p.rights.filter((r) => r.inForce).map((r) => say(r.name)).join(marks.list)}</div>}</td>
            <td className="num nowrap">{spanText(p, t('open'))}</td>
            <td><State h={p} /></td>
          </tr>
        ))}</tbody></table>
      )}
      {editing?.what === 'role' && <RoleForm m={m} old={editing.old} org={org} onDone={done} />}
      <Acts m={m} />
      <h3><Button size="small" type="link" aria-expanded={log} style={{ padding: 0 }} onClick={() => setLog(!log)}>{t('history')}</Button></h3>
      {log && <History reference={reference} />}
    </aside>
  );
}

// Acts says what the person may do today where he works, and why not the rest.
function Acts({ m }: { m: Member }) {
  const t = useWords({ zh, en });
  const say = useName();
  const places = [...new Map(m.posts.filter((p) => p.inForce).map((p) => [p.org.reference, p.org])).values()];
  const [org, setOrg] = useState('');
  const here = org || places[0]?.reference || '';
  const acts = useActs(m.reference, here);
  if (!here) return null;
  return (
    <>
      <h3>{t('mayToday')}{places.length > 1 && <Select size="small" aria-label={t('where')} value={here} onChange={setOrg} options={places.map((p) => ({ value: p.reference!, label: p.display }))} style={{ minWidth: 180 }} />}</h3>
      {acts.error ? <ErrorState compact error={acts.error} /> : !acts.data ? <Loading rows={2} /> : (
        <>
          <div className="acts">{acts.data.filter((a) => a.may).map((a) => <span key={a.code} className="mark mark-done">{say(a.name)}</span>)}</div>
          <details className="small"><summary>{t('mayNot', { n: acts.data.filter((a) => !a.may).length })}</summary>
            <ul className="acts-why">{acts.data.filter((a) => !a.may).map((a) => <li key={a.code}>{say(a.why)}</li>)}</ul></details>
        </>
      )}
    </>
  );
}

function useSaving(onDone: (made?: string) => void) {
  const [why, setWhy] = useState('');
  const [busy, setBusy] = useState(false);
  const go = async (work: () => Promise<string>) => {
    setBusy(true);
    setWhy('');
    try {
      onDone(await work());
    } catch (error) {
      setWhy(error instanceof Refusal ? error.message || error.code : String(error));
    } finally {
      setBusy(false);
    }
  };
  return { why, setWhy, busy, go };
}

function Foot({ why, busy, onCancel }: { why: string; busy: boolean; onCancel: () => void }) {
  const t = useWords({ zh, en });
  return (
    <>
      <div className="field-error" role="alert">{why}</div>
      <div className="actions"><Button type="primary" htmlType="submit" loading={busy}>{t('save')}</Button><Button onClick={onCancel}>{t('cancel')}</Button></div>
    </>
  );
}

function PersonForm({ reference, org, onDone }: { reference?: string; org?: Pointed; onDone: (made?: string) => void }) {
  const t = useWords({ zh, en });
  const [f, setF] = useState<{ name: string; number: string; sex: string; phone: string; active: boolean } | null>(reference ? null : { name: '', number: '', sex: 'unknown', phone: '', active: true });
  const [old, setOld] = useState<Practitioner | null>(null);
  const [at, setAt] = useState<Pointed | undefined>(org);
  const [asked, setAsked] = useState(false);
  const { why, setWhy, busy, go } = useSaving(onDone);
  if (reference && !asked) {
    setAsked(true);
    get<Practitioner>(`/fhir/${reference}`).then((p) => {
      setOld(p);
      setF({ name: p.name?.[0]?.text ?? '', number: p.identifier?.find((i) => i.system === system.staff)?.value ?? '', sex: p.gender ?? 'unknown', phone: p.telecom?.find((x) => x.system === 'phone')?.value ?? '', active: p.active !== false });
    }, (e: Error) => setWhy(e.message));
  }
  if (!f) return why ? <p className="late-word">{why}</p> : <Loading rows={3} />;
  const put = (part: Partial<typeof f>) => setF((x) => ({ ...x!, ...part }));
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (!f.name.trim() || (!reference && (!f.number.trim() || !at?.reference))) return setWhy(t('needPerson'));
    void go(async () => {
      const number = old?.identifier?.find((i) => i.system === system.staff);
      const said = await save<Practitioner>({
        ...(old ?? { resourceType: 'Practitioner' }), active: f.active, gender: f.sex,
        name: f.name.trim() === old?.name?.[0]?.text ? old.name : [{ use: 'official', text: f.name.trim() }],
        identifier: f.number.trim() === (number?.value ?? '') ? old?.identifier : [...(old?.identifier ?? []).filter((i) => i.system !== system.staff), ...(f.number.trim() ? [{ ...number, system: system.staff, value: f.number.trim(), ...(at ? { assigner: at } : {}) }] : [])],
        telecom: [...(old?.telecom ?? []).filter((x) => x.system !== 'phone'), ...(f.phone.trim() ? [{ system: 'phone', value: f.phone.trim(), use: 'work' }] : [])].length
          ? [...(old?.telecom ?? []).filter((x) => x.system !== 'phone'), ...(f.phone.trim() ? [{ system: 'phone', value: f.phone.trim(), use: 'work' }] : [])] : undefined,
      });
      return `Practitioner/${said.id}`;
    });
  };
  return (
    <form onSubmit={submit} className="stack boxed" noValidate aria-label={t('person')}>
      <div className="two">
        <div className="stack"><label htmlFor="p-name">{t('name')} <span className="required" aria-hidden>*</span></label><Input id="p-name" value={f.name} maxLength={60} onChange={(e) => put({ name: e.target.value })} /></div>
        <div className="stack"><label htmlFor="p-number">{t('staffNumber')} <span className="required" aria-hidden>*</span></label><Input id="p-number" value={f.number} maxLength={40} onChange={(e) => put({ number: e.target.value })} /></div>
      </div>
      {!reference && <><label htmlFor="p-org">{t('org')} <span className="required" aria-hidden>*</span></label><OrgPicker id="p-org" value={at} onChange={setAt} /></>}
      <div className="two">
        <div className="stack"><label htmlFor="p-sex">{t('sex')}</label><Select id="p-sex" value={f.sex} onChange={(sex) => put({ sex })} options={['male', 'female', 'unknown'].map((v) => ({ value: v, label: t(`sex.${v}`) }))} /></div>
        <div className="stack"><label htmlFor="p-phone">{t('phone')}</label><Input id="p-phone" type="tel" value={f.phone} maxLength={30} onChange={(e) => put({ phone: e.target.value })} /></div>
      </div>
      <Checkbox checked={f.active} onChange={(e) => put({ active: e.target.checked })}>{t('personActive')}</Checkbox>
      <Foot why={why} busy={busy} onCancel={() => onDone()} />
    </form>
  );
}

const options = (list: Term[] | undefined, lang: string) => (list ?? []).map((x) => ({ value: x.code, label: lang === 'en' ? x.en : x.zh }));
const isoDay = (at?: string) => (at ? new Date(new Date(at).getTime() + 8 * 3_600_000).toISOString().slice(0, 10) : '');
const isoLast = (at?: string) => (at ? isoDay(new Date(new Date(at).getTime() - 1).toISOString()) : '');

function LicenceForm({ reference, old, org, onDone }: { reference: string; old?: Licence; org?: Pointed; onDone: (made?: string) => void }) {
  const t = useWords({ zh, en });
  const lang = useLang();
  const terms = useCatalogue();
  const [f, setF] = useState({ kind: old?.kind ?? 'doctor', number: old?.number ?? '', scope: old?.scope ?? '', from: isoDay(old?.from), until: isoLast(old?.until), suspended: !!old?.suspended });
  const [place, setPlace] = useState<Pointed | undefined>((old?.places[0] as Pointed | undefined) ?? org);
  const put = (part: Partial<typeof f>) => setF((x) => ({ ...x, ...part }));
  const { why, setWhy, busy, go } = useSaving(onDone);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (!f.number.trim() || !place?.reference) return setWhy(t('needLicence'));
    void go(async () => {
      const p = await get<Practitioner>(`/fhir/${reference}`);
      const all = [...(p.qualification ?? [])];
      const i = all.findIndex((q) => q.identifier?.[0]?.value === old?.number && q.code.coding?.[0]?.code === old?.kind);
      const was = i >= 0 ? all[i] : undefined;
      const more = (old?.places ?? []).slice(1).map((r) => ({ url: address.place, valueReference: r }));
      let extension = withExtension(was?.extension, address.place, { url: address.place, valueReference: place }, ...more);
      extension = withExtension(extension, address.scope, f.scope.trim() ? { url: address.scope, valueString: f.scope.trim() } : undefined);
      extension = withExtension(extension, address.suspended, f.suspended ? { url: address.suspended, valueBoolean: true } : undefined);
      const now: Qualification = {
        ...was, extension, identifier: [{ system: system.licence, value: f.number.trim() }], code: { coding: [{ system: system.kind, code: f.kind, display: termName(terms.data?.kinds, f.kind) }], text: was?.code.coding?.[0]?.code === f.kind ? was.code.text : termName(terms.data?.kinds, f.kind) },
        period: f.from || f.until ? { ...(f.from ? { start: f.from } : {}), ...(f.until ? { end: f.until } : {}) } : undefined,
      };
      if (i >= 0) all[i] = now;
      else all.push(now);
      await save<Practitioner>({ ...p, qualification: all });
      return reference;
    });
  };
  return (
    <form onSubmit={submit} className="stack boxed" noValidate aria-label={t('licence')}>
      <div className="two">
        <div className="stack"><label htmlFor="l-kind">{t('kind')}</label><Select id="l-kind" value={f.kind} onChange={(kind) => put({ kind })} options={options(terms.data?.kinds, lang)} /></div>
        <div className="stack"><label htmlFor="l-number">{t('licenceNumber')} <span className="required" aria-hidden>*</span></label><Input id="l-number" value={f.number} maxLength={40} onChange={(e) => put({ number: e.target.value })} /></div>
      </div>
      <label htmlFor="l-place">{t('place')} <span className="required" aria-hidden>*</span></label><OrgPicker id="l-place" value={place} onChange={setPlace} />
      <label htmlFor="l-scope">{t('scope')}</label><Input id="l-scope" value={f.scope} maxLength={100} onChange={(e) => put({ scope: e.target.value })} />
      <div className="two">
        <div className="stack"><label htmlFor="l-from">{t('from')}</label><Input id="l-from" type="date" value={f.from} onChange={(e) => put({ from: e.target.value })} /></div>
        <div className="stack"><label htmlFor="l-until">{t('until')}</label><Input id="l-until" type="date" value={f.until} onChange={(e) => put({ until: e.target.value })} /></div>
      </div>
      <Checkbox checked={f.suspended} onChange={(e) => put({ suspended: e.target.checked })}>{t('suspendedNow')}</Checkbox>
      <Foot why={why} busy={busy} onCancel={() => onDone()} />
    </form>
  );
}

function RoleForm({ m, old, org, onDone }: { m: Member; old?: Held; org?: Pointed; onDone: (made?: string) => void }) {
  const t = useWords({ zh, en });
  const lang = useLang();
  const terms = useCatalogue();
  const [where, setWhere] = useState<Pointed | undefined>((old?.org as Pointed | undefined) ?? org);
  const [f, setF] = useState({
    what: old?.code ?? '', from: old ? isoDay(old.from) : isoDay(new Date().toISOString()), until: isoLast(old?.until), basis: old?.basis?.code ?? '', rights: old?.rights.map((r) => r.code) ?? [],
    awayFrom: isoDay(old?.away?.[0]?.from), awayUntil: isoLast(old?.away?.[0]?.until), standsFor: old?.standsFor ?? '',
  });
  const put = (part: Partial<typeof f>) => setF((x) => ({ ...x, ...part }));
  const { why, setWhy, busy, go } = useSaving(onDone);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    if (!f.what || !where?.reference || !f.from) return setWhy(t('needRole'));
    void go(async () => {
      const r: Role = old ? await get<Role>(`/fhir/${old.role}`) : { resourceType: 'PractitionerRole', active: true, practitioner: { reference: m.reference, display: m.name } };
      const kind = f.what.startsWith('post/') ? 'post' : 'role';
      const code = f.what.slice(5);
      let extension = withExtension(r.extension, address.basis, f.basis ? { url: address.basis, valueCode: f.basis } : undefined);
      extension = withExtension(extension, address.standsFor, f.standsFor ? { url: address.standsFor, valueReference: { reference: f.standsFor } } : undefined);
      const was = (r.extension ?? []).filter((x) => x.url === address.right);
      const of = (x: (typeof was)[number]) => x.extension?.find((y) => y.url === 'right')?.valueCode;
      extension = withExtension(extension, address.right, ...f.rights.map((c) => was.find((x) => of(x) === c)
        ?? { url: address.right, extension: [{ url: 'right', valueCode: c }, { url: 'period', valuePeriod: { start: f.from > isoDay(new Date().toISOString()) ? f.from : isoDay(new Date().toISOString()), ...(f.until ? { end: f.until } : {}) } }] }));
      await save<Role>({
        ...r, extension, organization: where, period: { start: f.from, ...(f.until ? { end: f.until } : {}) },
        code: old?.code === f.what ? r.code : [{ coding: [{ system: kind === 'post' ? system.post : system.role, code, display: termName(kind === 'post' ? terms.data?.posts : terms.data?.roles, code) }], text: termName(kind === 'post' ? terms.data?.posts : terms.data?.roles, code) }],
        notAvailable: f.awayFrom ? [{ description: r.notAvailable?.[0]?.description ?? t('away'), during: { start: f.awayFrom, ...(f.awayUntil ? { end: f.awayUntil } : {}) } }] : undefined,
      });
      return m.reference;
    });
  };
  const post = f.what.startsWith('post/');
  return (
    <form onSubmit={submit} className="stack boxed" noValidate aria-label={t('appoint')}>
      <label htmlFor="r-org">{t('where')} <span className="required" aria-hidden>*</span></label><OrgPicker id="r-org" value={where} onChange={setWhere} />
      <div className="two">
        <div className="stack"><label htmlFor="r-what">{t('postOrRole')} <span className="required" aria-hidden>*</span></label>
          <Select id="r-what" value={f.what || undefined} disabled={!!old} onChange={(what) => put({ what })} showSearch={{ optionFilterProp: 'label' }} options={[
            { label: t('post'), options: (terms.data?.posts ?? []).map((p) => ({ value: `post/${p.code}`, label: lang === 'en' ? p.en : p.zh })) },
            { label: t('role'), options: (terms.data?.roles ?? []).map((p) => ({ value: `role/${p.code}`, label: lang === 'en' ? p.en : p.zh })) }]} /></div>
        <div className="stack"><label htmlFor="r-basis">{t('basis')}</label>
          <Select id="r-basis" value={f.basis} onChange={(basis) => put({ basis })} options={[{ value: '', label: t('basisNone') }, ...options(terms.data?.bases, lang)]} /></div>
      </div>
      <div className="two">
        <div className="stack"><label htmlFor="r-from">{t('from')} <span className="required" aria-hidden>*</span></label><Input id="r-from" type="date" value={f.from} onChange={(e) => put({ from: e.target.value })} /></div>
        <div className="stack"><label htmlFor="r-until">{t('until')}</label><Input id="r-until" type="date" value={f.until} onChange={(e) => put({ until: e.target.value })} /></div>
      </div>
      {!post && <><label htmlFor="r-rights">{t('rights')}</label>
        <Select id="r-rights" mode="multiple" value={f.rights} onChange={(rights: string[]) => put({ rights })} options={options(terms.data?.rights, lang)} /></>}
      <div className="two">
        <div className="stack"><label htmlFor="r-away">{t('awayFrom')}</label><Input id="r-away" type="date" value={f.awayFrom} onChange={(e) => put({ awayFrom: e.target.value })} /></div>
        <div className="stack"><label htmlFor="r-back">{t('awayUntil')}</label><Input id="r-back" type="date" value={f.awayUntil} onChange={(e) => put({ awayUntil: e.target.value })} /></div>
      </div>
      {post && <StandsFor value={f.standsFor} org={where?.reference ?? ''} post={f.what} not={m.reference} onChange={(standsFor) => put({ standsFor })} />}
      <Foot why={why} busy={busy} onCancel={() => onDone()} />
    </form>
  );
}

function StandsFor({ value, org, post, not, onChange }: { value: string; org: string; post: string; not: string; onChange: (v: string) => void }) {
  const t = useWords({ zh, en });
  const heads = usePosts(org);
  const list = (heads.data ?? []).filter((h) => h.code === post && h.person.reference !== not);
  if (list.length === 0 && !value) return null;
  return (
    <>
      <label htmlFor="r-for">{t('standsFor')}</label>
      <Select id="r-for" value={value} onChange={onChange} options={[{ value: '', label: t('none') }, ...list.map((h) => ({ value: h.role, label: `${h.person.display ?? idOf(h.person.reference)} · ${spanText(h, t('open'))}` })), ...(value && !list.some((h) => h.role === value) ? [{ value, label: idOf(value) }] : [])]} />
    </>
  );
}
