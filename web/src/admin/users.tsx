import '../account/account.css';
import DeleteOutlined from '@ant-design/icons/es/icons/DeleteOutlined';
import { useQueryClient } from '@tanstack/react-query';
import { App, Button, Input, Modal, Select } from 'antd';
import { useState, type FormEvent } from 'react';
import { patch, post, Refusal } from '../fhir/client';
import { useGivenRoles, useUsers } from '../fhir/queries';
import { Sessions } from './user-sessions';
import type { Ref, RoleRequest, User, UserRole } from '../fhir/types';
import OrgPicker from '../line/org-picker';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { dateOf, fromInput } from '../words/time';
import { useMarks, useName, useWords } from '../words/words';
import en from './en.json';
import { useWho } from '../shell/who';
import zh from './zh.json';

// A date stands for the end of that day, in this zone.
const endOf = (until: string) => (until.includes('T') ? until : fromInput(`${until}T23:59`));
interface Once { name: string; password: string }
// The server names the one-time password once, under one of these words.
const onceOf = (said: unknown) => {
  const s = said as { oneTimePassword?: string; password?: string; oneTime?: string } | null;
  return s?.oneTimePassword ?? s?.password ?? s?.oneTime ?? '';
};
const orgRef = (o: Ref | string | undefined): Ref => (typeof o === 'string' ? { reference: o } : (o ?? {}));

export default function Users() {
  const t = useWords({ zh, en });
  const marks = useMarks();
  const say = useName();
  const client = useQueryClient();
  const { message, modal } = App.useApp();
  const users = useUsers();
  const [find, setFind] = useState('');
  const [editing, setEditing] = useState<User | 'new' | null>(null);
  const [once, setOnce] = useState<Once | null>(null);
  const [looking, setLooking] = useState<User | null>(null);
  const again = () => void client.invalidateQueries({ queryKey: ['users'] });
  const roleName = (r: UserRole) => say(r.roleName) || (t(`role.${r.role}`) === `role.${r.role}` ? r.role : t(`role.${r.role}`));
  const q = find.trim().toLowerCase();
  const all = users.data ?? [];
  const rows = all.filter((u) => !q || [u.name, u.username ?? u.id, ...(u.roles ?? []).map((r) => orgRef(r.org).display ?? '')].some((s) => s.toLowerCase().includes(q)));

  async function change(u: User, body: Record<string, unknown>) {
    try {
      const said = await patch<unknown>(`/api/admin/users/${u.id}`, body);
      const password = onceOf(said);
      if (password) setOnce({ name: u.name, password });
      else void message.success(t('saved'));
      again();
    } catch (e) {
      void message.error((e as Error).message);
    }
  }
  async function decide(q: RoleRequest, grant: boolean) {
    try {
      await post(`/api/admin/requests/${q.id}`, { grant });
      void message.success(t('saved'));
      again();
    } catch (e) {
      void message.error((e as Error).message);
    }
  }
  const sure = (u: User, content: string, body: Record<string, unknown>, okText: string) =>
    modal.confirm({ title: okText, content, okText, cancelText: t('cancel'), onOk: () => change(u, body) });

  return (
    <section className="sheet scroll" aria-label={t('users')}>
      <div className="sheet-head">
        <h1>{t('users')}</h1>
        <span className="quiet num">{users.data ? all.length : ''}</span>
        <Input.Search size="small" allowClear placeholder={t('find')} aria-label={t('find')} value={find} onChange={(e) => setFind(e.target.value)} style={{ maxWidth: 240 }} />
        <span className="grow" />
        <Button type="primary" onClick={() => setEditing('new')}>{t('newUser')}</Button>
      </div>
      {users.error && !users.data ? <ErrorState error={users.error} onRetry={() => void users.refetch()} />
        : users.isLoading ? <Loading rows={14} />
        : rows.length === 0 ? <EmptyState title={t('usersEmpty')} hint={t('usersEmptyHint')}><Button onClick={() => setEditing('new')}>{t('newUser')}</Button></EmptyState>
        : (
          <table className="plain users" aria-label={t('users')}>
            <thead><tr><th scope="col">{t('name')}</th><th scope="col">{t('username')}</th><th scope="col">{t('roles')}</th><th scope="col">{t('factor')}</th><th scope="col">{t('state')}</th><th scope="col"><span className="sr">{t('edit')}</span></th></tr></thead>
            <tbody>
              {rows.map((u) => (
                <tr key={u.id} className={u.disabled ? 'row-over' : ''}>
                  <td><b>{u.name}</b></td>
                  <td className="num">{u.username ?? u.id}</td>
                  <td>{(u.roles ?? []).map((r, i) => (
                    <div key={i}>{roleName(r)} <span className="quiet">{orgRef(r.org).display ?? orgRef(r.org).reference}{r.until ? ` · ${t('untilDate')} ${dateOf(r.until)}` : ''}</span>{r.source && <span className="mark mark-closed" title={t('fromRegisterSays')}>{t('fromRegister')}</span>}</div>
                  ))}
                  {(u.requests ?? []).map((q) => (
                    <div key={q.id} className="request">{t('waits', { role: say(q.roleName), by: q.by })} <span className="quiet">{q.org.display}</span>{' '}
                      {q.mine ? <><Button size="small" type="primary" onClick={() => void decide(q, true)}>{t('confirmRole')}</Button>{' '}</> : <span className="quiet small">{t('waitsOther')} </span>}
                      <Button size="small" onClick={() => void decide(q, false)}>{t('refuseRole')}</Button>
                    </div>
                  ))}</td>
                  <td>{(u.factors ?? []).length ? u.factors!.map((k) => t(`factor.${k}`)).join(marks.list) : <span className={u.needsFactor ? 'mark mark-late' : 'quiet'}>{t(u.needsFactor ? 'factorMissing' : 'factorNone')}</span>}</td>
                  <td><span className={u.disabled ? 'mark mark-closed' : 'mark mark-done'}>{t(u.disabled ? 'disabled' : 'active')}</span></td>
                  <td className="right nowrap">{u.manageable !== false && <>
                    <Button size="small" type="link" onClick={() => setEditing(u)}>{t('edit')}</Button>
                    <Button size="small" type="link" onClick={() => sure(u, t('sureReset', { name: u.name }), { reset: true }, t('reset'))}>{t('reset')}</Button>
                    {(u.factors ?? []).length > 0 && <Button size="small" type="link" onClick={() => sure(u, t('sureFactors', { name: u.name }), { resetFactors: true }, t('resetFactors'))}>{t('resetFactors')}</Button>}
                    <Button size="small" type="link" onClick={() => setLooking(u)}>{t('logins')}</Button>
                    {u.disabled ? <Button size="small" type="link" onClick={() => void change(u, { disabled: false })}>{t('enable')}</Button>
                      : <Button size="small" type="link" danger onClick={() => sure(u, t('sureDisable', { name: u.name }), { disabled: true }, t('disable'))}>{t('disable')}</Button>}
                  </>}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      {editing && <UserForm user={editing === 'new' ? undefined : editing} onClose={() => setEditing(null)} onSaved={(o) => {
        setEditing(null);
        if (o?.password) setOnce(o);
        else void message.success(t('saved'));
        again();
      }} />}
      {looking && <Sessions user={looking} onClose={() => setLooking(null)} />}
      {once && (
        <Modal open title={t('oneTime')} onCancel={() => setOnce(null)} width={400} mask={{ closable: false }}
          footer={<Button type="primary" onClick={() => setOnce(null)}>{t('close')}</Button>}>
          <p>{t('oneTimeSays', { name: once.name })}</p>
          <p className="once"><code>{once.password}</code>
            <Button size="small" onClick={() => void navigator.clipboard?.writeText(once.password).then(() => message.success(t('copied')))}>{t('copy')}</Button>
          </p>
        </Modal>
      )}
    </section>
  );
}

function UserForm({ user, onClose, onSaved }: { user?: User; onClose: () => void; onSaved: (o?: Once) => void }) {
  const t = useWords({ zh, en });
  const me = useWho();
  const [username, setUsername] = useState(user?.username ?? '');
  const [name, setName] = useState(user?.name ?? '');
  const say = useName();
  const given = useGivenRoles();
  const [roles, setRoles] = useState<UserRole[]>(user ? (user.roles ?? []).filter((r) => !r.source) : [{ role: 'referral-office', org: me?.role.institution ?? {} }]);
  const posts = (user?.roles ?? []).filter((r) => r.source);
  const [why, setWhy] = useState('');
  const [busy, setBusy] = useState(false);
  const put = (i: number, r: Partial<UserRole>) => setRoles((all) => all.map((x, n) => (n === i ? { ...x, ...r } : x)));
  async function save(e: FormEvent) {
    e.preventDefault();
    if (!name.trim() || (!user && !username.trim())) return setWhy(t('needUser'));
    if (roles.some((r) => !r.role || !orgRef(r.org).reference)) return setWhy(t('needRole'));
    setBusy(true);
    const said = { name: name.trim(), roles: roles.map((r) => ({ role: r.role, org: orgRef(r.org).reference, ...(r.from ? { from: r.from } : {}), ...(r.until ? { until: endOf(r.until) } : {}) })) };
    try {
      const answer = user ? await patch<unknown>(`/api/admin/users/${user.id}`, said) : await post<unknown>('/api/admin/users', { username: username.trim(), ...said });
      onSaved({ name: name.trim(), password: onceOf(answer) });
    } catch (error) {
      setWhy(error instanceof Refusal ? error.message || error.code : String(error));
    } finally {
      setBusy(false);
    }
  }
  return (
    <Modal open title={user ? t('edit') : t('newUser')} onCancel={onClose} footer={null} width={720}>
      <form onSubmit={save} className="stack" noValidate>
        <div className="two">
          <div className="stack"><label htmlFor="user-name">{t('name')} <span className="required" aria-hidden>*</span></label><Input id="user-name" value={name} onChange={(e) => setName(e.target.value)} /></div>
          <div className="stack"><label htmlFor="user-account">{t('username')} <span className="required" aria-hidden>*</span></label><Input id="user-account" disabled={!!user} autoComplete="off" value={username} onChange={(e) => setUsername(e.target.value)} /></div>
        </div>
        <fieldset>
          <legend>{t('roles')}</legend>
          <p className="quiet small">{t('rolesSay')}</p>
          {posts.map((r) => (
            <div key={r.id}>{say(r.roleName)} <span className="quiet">{orgRef(r.org).display}{r.until ? ` · ${t('untilDate')} ${dateOf(r.until)}` : ''}</span> <span className="mark mark-closed">{t('fromRegister')}</span></div>
          ))}
          {roles.map((r, i) => (
            <div className="role-row" key={i}>
              <Select aria-label={t('role')} value={r.role} onChange={(role) => put(i, { role, roleName: undefined })} style={{ width: 150 }}
                options={[...(given.data ?? []).map((g) => ({ value: g.role, label: say(g.roleName) })), ...((given.data ?? []).some((g) => g.role === r.role) ? [] : [{ value: r.role, label: say(r.roleName) || t(`role.${r.role}`).replace(/^role\./, '') }])]} />
              <div className="grow"><OrgPicker value={orgRef(r.org) as { reference: string }} onChange={(o) => put(i, { org: o ?? {} })} /></div>
              <Input type="date" aria-label={t('untilDate')} title={t('untilDate')} value={r.until?.slice(0, 10) ?? ''} onChange={(e) => put(i, { until: e.target.value || undefined })} style={{ width: 140 }} />
              <Button type="text" icon={<DeleteOutlined />} aria-label={t('removeRole')} onClick={() => setRoles((all) => all.filter((_, n) => n !== i))} />
            </div>
          ))}
          <Button size="small" onClick={() => setRoles((all) => [...all, { role: 'referral-office', org: {} }])}>{t('addRole')}</Button>
        </fieldset>
        <div className="field-error" role="alert">{why}</div>
        <div className="actions"><Button type="primary" htmlType="submit" loading={busy}>{t('save')}</Button><Button onClick={onClose}>{t('cancel')}</Button></div>
      </form>
    </Modal>
  );
}
