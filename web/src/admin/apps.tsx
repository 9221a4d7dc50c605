import { useQuery, useQueryClient } from '@tanstack/react-query';
import { App, Button, Input, Select } from 'antd';
import { useState, type FormEvent } from 'react';
import en from '../apps/en.json';
import { scopeSays } from '../apps/scopes';
import zh from '../apps/zh.json';
import { get, patch, post, Refusal } from '../fhir/client';
import type { Ref } from '../fhir/types';
import OrgPicker from '../line/org-picker';
import type { Pointed } from '../line/parameters';
import { useWho } from '../shell/who';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { useWords } from '../words/words';

interface Registered {
  id: string; name: string; org: Ref; kind: string; redirects: string[]; launch?: string; scopes: string[]; jwksUrl?: string; disabled: boolean; waits?: boolean; own?: boolean; created: string; secret?: string;
}

export default function Apps() {
  const t = useWords({ zh, en });
  const client = useQueryClient();
  const { modal, message } = App.useApp();
  const [adding, setAdding] = useState(false);
  const apps = useQuery({ queryKey: ['admin-apps'], queryFn: () => get<{ apps: Registered[] }>('/api/admin/apps').then((a) => a.apps) });
  const rows = apps.data ?? [];
  const tell = (a: Registered) => modal.info({
    title: a.secret ? t('secretOnce') : t('saved'), okText: t('close'), width: 560,
    content: <div className="stack"><span>{t('idIs')}</span><p className="once"><code>{a.id}</code></p>{a.secret && <><span>{t('secretSays')}</span><p className="once"><code className="app-secret">{a.secret}</code></p></>}</div>,
  });
  async function change(a: Registered, what: object) {
    try {
      const after = await patch<Registered>(`/api/admin/apps/${a.id}`, what);
      if (after.secret) tell(after);
      else void message.success(t('saved'));
    } catch (e) {
      void message.error((e as Error).message);
    }
    await client.invalidateQueries({ queryKey: ['admin-apps'] });
  }
  const ask = (a: Registered, word: 'disable' | 'newSecret', what: object) => modal.confirm({
    title: t(`${word}Ask`, { name: a.name }), content: t(`${word}Says`), okText: t(word), cancelText: t('cancel'), okButtonProps: { danger: true }, onOk: () => change(a, what),
  });
  return (
    <section className="sheet scroll" aria-label={t('apps')}>
      <div className="sheet-head"><h1>{t('apps')}</h1><span className="quiet num">{apps.data ? rows.length : ''}</span><span className="grow" /><span className="quiet small not-phone">{t('appsSays')}</span>
        <Button type="primary" onClick={() => setAdding(true)}>{t('newApp')}</Button></div>
      {adding && <AppForm onClose={(made) => {
        setAdding(false);
        if (!made) return;
        tell(made);
        void client.invalidateQueries({ queryKey: ['admin-apps'] });
      }} />}
      {apps.error && !apps.data ? <ErrorState error={apps.error} onRetry={() => void apps.refetch()} />
        : apps.isLoading ? <Loading rows={8} />
        : rows.length === 0 ? (!adding && <EmptyState title={t('appsEmpty')} hint={t('appsEmptyHint')}><Button onClick={() => setAdding(true)}>{t('newApp')}</Button></EmptyState>)
        : (
          <table className="plain" aria-label={t('apps')}>
            <thead><tr><th scope="col">{t('name')}</th><th scope="col">{t('kind')}</th><th scope="col">{t('scopes')}</th><th scope="col" className="only-wide">{t('redirects')}</th><th scope="col">{t('state')}</th><th scope="col"><span className="sr">{t('actions')}</span></th></tr></thead>
            <tbody>{rows.map((a) => (
              <tr key={a.id} className={a.disabled ? 'row-over' : ''}>
                <td><b>{a.name}</b> <span className="quiet small">{a.org.display || t('hub')}</span><div className="quiet small num">{a.id}</div></td>
                <td className="nowrap">{t(`short.${a.kind}`)}</td>
                <td><ul className="bare app-scopes">{a.scopes.map((s) => <li key={s} title={scopeSays(t, s)}>{s}</li>)}</ul></td>
                <td className="only-wide small num">{[a.launch, ...a.redirects, a.jwksUrl].filter(Boolean).map((r) => <div key={r}>{r}</div>)}</td>
                <td><span className={a.disabled ? 'mark mark-closed' : 'mark mark-done'}>{t(a.waits ? 'waits' : a.disabled ? 'off' : 'on')}</span></td>
                <td className="right nowrap">
                  {a.kind === 'secret' && !a.disabled && <Button size="small" onClick={() => ask(a, 'newSecret', { newSecret: true })}>{t('newSecret')}</Button>}{' '}
                  {a.disabled ? <Button size="small" disabled={a.waits && a.own} title={a.waits && a.own ? t('waitsSays') : undefined} onClick={() => void change(a, { disabled: false })}>{t('enable')}</Button>
                    : <Button size="small" danger onClick={() => ask(a, 'disable', { disabled: true })}>{t('disable')}</Button>}
                </td>
              </tr>
            ))}</tbody>
          </table>
        )}
    </section>
  );
}

function AppForm({ onClose }: { onClose: (made?: Registered) => void }) {
  const t = useWords({ zh, en });
  const me = useWho();
  const own = me?.role?.institution?.reference ? me.role.institution : undefined;
  const [name, setName] = useState('');
  const [kind, setKind] = useState('public');
  const [org, setOrg] = useState(own as Pointed | undefined);
  const [redirects, setRedirects] = useState('');
  const [launch, setLaunch] = useState('');
  const [scopes, setScopes] = useState('launch openid fhirUser patient/*.rs');
  const [jwks, setJwks] = useState('');
  const [jwksUrl, setJwksUrl] = useState('');
  const [why, setWhy] = useState('');
  const [busy, setBusy] = useState(false);
  async function save(e: FormEvent) {
    e.preventDefault();
    setBusy(true);
    setWhy('');
    try {
      onClose(await post<Registered>('/api/admin/apps', {
        name: name.trim(), kind, org: org?.reference ?? '', launch: launch.trim(), redirects: redirects.split(/\s+/).filter(Boolean), scopes: scopes.split(/\s+/).filter(Boolean),
        jwks: kind === 'key' ? jwks.trim() : '', jwksUrl: kind === 'key' ? jwksUrl.trim() : '',
      }));
    } catch (error) {
      setWhy(error instanceof Refusal ? error.message || error.code : String(error));
      setBusy(false);
    }
  }
  return (
    <form className="stack narrow pad" onSubmit={save} noValidate aria-label={t('newApp')}>
      <label htmlFor="app-name">{t('name')} <span className="required" aria-hidden>*</span></label>
      <Input id="app-name" value={name} maxLength={60} onChange={(e) => setName(e.target.value)} />
      <label htmlFor="app-kind">{t('kind')}</label>
      <Select id="app-kind" value={kind} onChange={setKind} options={['public', 'secret', 'key'].map((k) => ({ value: k, label: t(`kind.${k}`) }))} />
      <label htmlFor="app-org">{t('org')}</label>
      <OrgPicker id="app-org" value={org} onChange={setOrg} />
      <span className="quiet small">{t('orgHelp')}</span>
      <label htmlFor="app-redirects">{t('redirects')}</label>
      <Input.TextArea id="app-redirects" rows={2} value={redirects} onChange={(e) => setRedirects(e.target.value)} aria-describedby="app-redirects-help" />
      <span id="app-redirects-help" className="quiet small">{t('redirectsHelp')}</span>
      <label htmlFor="app-launch">{t('launch')}</label>
      <Input id="app-launch" type="url" value={launch} onChange={(e) => setLaunch(e.target.value)} aria-describedby="app-launch-help" />
      <span id="app-launch-help" className="quiet small">{t('launchHelp')}</span>
      <label htmlFor="app-scopes">{t('scopes')} <span className="required" aria-hidden>*</span></label>
      <Input.TextArea id="app-scopes" rows={2} value={scopes} onChange={(e) => setScopes(e.target.value)} aria-describedby="app-scopes-help" />
      <span id="app-scopes-help" className="quiet small">{t('scopesHelp')}</span>
      {kind === 'key' && (
        <>
          <label htmlFor="app-jwks">{t('jwks')}</label>
          <Input.TextArea id="app-jwks" rows={3} value={jwks} onChange={(e) => setJwks(e.target.value)} aria-describedby="app-jwks-help" />
          <span id="app-jwks-help" className="quiet small">{t('jwksHelp')}</span>
          <label htmlFor="app-jwks-url">{t('jwksUrl')}</label>
          <Input id="app-jwks-url" type="url" value={jwksUrl} onChange={(e) => setJwksUrl(e.target.value)} />
        </>
      )}
      <div className="field-error" role="alert">{why}</div>
      <div className="actions"><Button type="primary" htmlType="submit" loading={busy}>{t('save')}</Button><Button onClick={() => onClose()}>{t('cancel')}</Button></div>
    </form>
  );
}
