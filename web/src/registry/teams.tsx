import { useQueryClient } from '@tanstack/react-query';
import { App, Button, Checkbox, Input, Modal, Select } from 'antd';
import { useState, type FormEvent } from 'react';
import { Link } from 'react-router';
import { idOf, patch, post, Refusal } from '../fhir/client';
import { usePatients } from '../fhir/queries';
import OrgPicker from '../line/org-picker';
import type { Pointed } from '../line/parameters';
import { useWho } from '../shell/who';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { dateOf } from '../words/time';
import { useMarks, useWords } from '../words/words';
import { lastDay, spanText, usePeople, useTeamPatients, useTeams, type Team } from './data';
import en from './en.json';
import './registry.css';
import zh from './zh.json';

// Teams are the standing medical teams of a hospital, each under a leader; the past of each stays.
export default function Teams() {
  const t = useWords({ zh, en });
  const marks = useMarks();
  const me = useWho();
  const [at, setAt] = useState('');
  const [making, setMaking] = useState(false);
  const [past, setPast] = useState(false);
  const institution = (me?.role.institution as Pointed | undefined)?.reference ?? '';
  const all = useTeams(institution);
  const list = (all.data ?? []).filter((x) => past || x.active);
  const chosen = (all.data ?? []).find((x) => x.id === at);
  return (
    <section className="sheet subs" aria-label={t('teams')}>
      <div className="sheet-head">
        <h1>{t('teams')}</h1><span className="quiet num">{all.data ? list.length : ''}</span>
        <Checkbox checked={past} onChange={(e) => setPast(e.target.checked)}>{t('showEnded')}</Checkbox>
        <span className="grow" />
        <Button type="primary" onClick={() => {
          setMaking(true);
          setAt('');
        }}>{t('formTeam')}</Button>
      </div>
      {all.error && !all.data ? <ErrorState error={all.error} onRetry={() => void all.refetch()} />
        : all.isLoading ? <Loading rows={8} />
        : list.length === 0 && !making ? <EmptyState title={t('teamsEmpty')} hint={t('teamsEmptyHint')} />
        : (
          <div className={at || making ? 'subs-body subs-open people-open' : 'subs-body'}>
            <div className="subs-list" tabIndex={0} role="region" aria-label={t('teams')}>
              <table className="plain" aria-label={t('teams')}>
                <thead><tr><th scope="col">{t('team')}</th><th scope="col">{t('department')}</th><th scope="col">{t('leader')}</th><th scope="col">{t('members')}</th><th scope="col">{t('term')}</th></tr></thead>
                <tbody>{list.map((x) => (
                  <tr key={x.id} aria-current={x.id === at || undefined} className={x.active ? '' : 'row-over'} onClick={() => {
                    setMaking(false);
                    setAt(x.id === at ? '' : x.id);
                  }}>
                    <td><button type="button" className="row-open" aria-expanded={x.id === at}>{x.name}</button></td>
                    <td>{x.org.display}</td>
                    <td>{x.members.filter((m) => m.head && m.inForce).map((m) => m.person.display).join(marks.list) || <span className="quiet">—</span>}</td>
                    <td><span className="team-people">{x.members.filter((m) => !m.head && m.inForce).map((m) => <span key={m.person.reference}>{m.person.display}</span>)}</span></td>
                    <td className="num nowrap">{spanText(x, t('open'))}</td>
                  </tr>
                ))}</tbody>
              </table>
            </div>
            {making ? <aside className="subs-one panel" aria-label={t('formTeam')}><h2>{t('formTeam')}</h2><TeamForm institution={institution} onDone={(id) => {
              setMaking(false);
              setAt(id ?? '');
            }} /></aside>
              : chosen && <TeamPanel key={chosen.id} team={chosen} institution={institution} onClose={() => setAt('')} />}
          </div>
        )}
    </section>
  );
}

function TeamPanel({ team, institution, onClose }: { team: Team; institution: string; onClose: () => void }) {
  const t = useWords({ zh, en });
  const client = useQueryClient();
  const { message } = App.useApp();
  const [changing, setChanging] = useState(false);
  const [ending, setEnding] = useState(false);
  const [find, setFind] = useState('');
  const patients = useTeamPatients(team.id);
  const found = usePatients(find);
  async function run(work: () => Promise<unknown>, said: string) {
    try {
      await work();
      void message.success(said);
      setFind('');
    } catch (e) {
      void message.error(e instanceof Refusal ? e.message || e.code : String(e));
    }
    await client.invalidateQueries({ queryKey: ['registry'] });
  }
  return (
    <aside className="subs-one panel" aria-label={team.name}>
      <div className="subs-title"><h2>{team.name}</h2><span className="quiet">{team.org.display}</span><span className="grow" />
        {team.may && team.active && <Button size="small" onClick={() => setChanging(!changing)}>{t('change')}</Button>}
        {team.may && team.active && <Button size="small" danger onClick={() => setEnding(true)}>{t('dissolve')}</Button>}
        <Button size="small" type="text" onClick={onClose}>{t('close')}</Button></div>
      {changing && <TeamForm team={team} institution={institution} onDone={() => setChanging(false)} />}
      <h3>{t('membersOverTime')}</h3>
      <table className="plain" aria-label={t('membersOverTime')}><tbody>{team.members.map((m, i) => (
        <tr key={i} className={m.inForce ? '' : 'row-over'}><td>{m.person.display ?? idOf(m.person.reference)}</td><td>{t(m.head ? 'leader' : 'member')}</td><td className="num nowrap">{spanText(m, t('open'))}</td></tr>
      ))}</tbody></table>
      <h3>{t('teamPatients')}</h3>
      {patients.error ? <ErrorState compact error={patients.error} /> : !patients.data ? <Loading rows={2} /> : patients.data.length === 0 ? <p className="quiet">{t('noTeamPatients')}</p> : (
        <table className="plain" aria-label={t('teamPatients')}><tbody>{patients.data.map((p) => (
          <tr key={p.id} className={p.active ? '' : 'row-over'}><td><Link to={`/patients/${idOf(p.patient.reference)}`}>{p.patient.display}</Link></td><td className="num nowrap">{p.from && dateOf(p.from)} – {p.until ? lastDay(p.until) : t('open')}</td>
            <td>{p.active && team.active && <Button size="small" onClick={() => void run(() => post(`/api/registry/teams/${team.id}/release`, { id: p.id }), t('released'))}>{t('release')}</Button>}</td></tr>
        ))}</tbody></table>
      )}
      {team.active && (
        <div className="stack">
          <label htmlFor="team-patient">{t('assign')}</label>
          <Select id="team-patient" showSearch={{ filterOption: false, onSearch: setFind }} value={undefined} placeholder={t('findPatient')} notFoundContent={find ? t('noPatient') : null}
            options={(found.data ?? []).map((p) => ({ value: p.reference, label: `${p.name ?? ''} ${p.age ?? ''}` }))}
            onChange={(v?: string) => v && void run(() => post(`/api/registry/teams/${team.id}/patients`, { patient: v }), t('assigned'))} />
        </div>
      )}
      {ending && (
        <Modal open title={t('dissolve')} okText={t('dissolve')} cancelText={t('cancel')} okButtonProps={{ danger: true }} onCancel={() => setEnding(false)} onOk={() => {
          setEnding(false);
          void run(() => patch(`/api/registry/teams/${team.id}`, { end: true, version: team.version }), t('dissolved'));
        }}><p>{t('dissolveSays', { n: (patients.data ?? []).filter((p) => p.active).length })}</p></Modal>
      )}
    </aside>
  );
}

function TeamForm({ team, institution, onDone }: { team?: Team; institution: string; onDone: (id?: string) => void }) {
  const t = useWords({ zh, en });
  const client = useQueryClient();
  const now = (team?.members ?? []).filter((m) => m.inForce);
  const [name, setName] = useState(team?.name ?? '');
  const [org, setOrg] = useState<Pointed | undefined>(team?.org as Pointed | undefined);
  const [head, setHead] = useState(now.find((m) => m.head)?.person.reference);
  const [members, setMembers] = useState(now.filter((m) => !m.head).map((m) => m.person.reference!));
  const [why, setWhy] = useState('');
  const [busy, setBusy] = useState(false);
  const people = usePeople(org?.reference ?? institution, '');
  const list = (people.data?.pages ?? []).flatMap((p) => p.people ?? []).filter((p) => p.posts.some((x) => x.inForce)).map((p) => ({ value: p.reference, label: `${p.name} ${p.number ?? ''}` }));
  for (const m of now) if (!list.some((x) => x.value === m.person.reference)) list.push({ value: m.person.reference!, label: m.person.display ?? '' });
  async function submit(e: FormEvent) {
    e.preventDefault();
    if (!name.trim() || !head || !org?.reference) return setWhy(t('needTeam'));
    setBusy(true);
    setWhy('');
    try {
      const body = { name: name.trim(), head, members };
      const said = team ? await patch<Team>(`/api/registry/teams/${team.id}`, { ...body, version: team.version }) : await post<Team>('/api/registry/teams', { ...body, org: org.reference });
      await client.invalidateQueries({ queryKey: ['registry'] });
      onDone(said.id);
    } catch (error) {
      setWhy(error instanceof Refusal ? error.message || error.code : String(error));
    } finally {
      setBusy(false);
    }
  }
  return (
    <form onSubmit={submit} className="stack boxed" noValidate aria-label={t('team')}>
      <label htmlFor="team-name">{t('teamName')} <span className="required" aria-hidden>*</span></label><Input id="team-name" value={name} maxLength={60} onChange={(e) => setName(e.target.value)} />
      {!team && <><label htmlFor="team-org">{t('department')} <span className="required" aria-hidden>*</span></label><OrgPicker id="team-org" value={org} onChange={setOrg} /></>}
      <label htmlFor="team-head">{t('leader')} <span className="required" aria-hidden>*</span></label><Select id="team-head" value={head} onChange={setHead} showSearch={{ optionFilterProp: 'label' }} options={list} />
      <label htmlFor="team-members">{t('members')}</label><Select id="team-members" mode="multiple" value={members} onChange={(v: string[]) => setMembers(v)} showSearch={{ optionFilterProp: 'label' }} options={list.filter((x) => x.value !== head)} />
      <div className="field-error" role="alert">{why}</div>
      <div className="actions"><Button type="primary" htmlType="submit" loading={busy}>{t('save')}</Button><Button onClick={() => onDone()}>{t('cancel')}</Button></div>
    </form>
  );
}
