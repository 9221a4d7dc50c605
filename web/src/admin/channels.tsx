import { useQueryClient } from '@tanstack/react-query';
import { App, Button, Checkbox, Input, Select } from 'antd';
import { useState, type FormEvent } from 'react';
import { post, Refusal } from '../fhir/client';
import { useChannels } from '../fhir/queries';
import type { Channel } from '../fhir/types';
import OrgPicker from '../line/org-picker';
import { useWho } from '../shell/who';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { useWords } from '../words/words';
import en from './en.json';
import zh from './zh.json';

export default function Channels() {
  const t = useWords({ zh, en });
  const { message } = App.useApp();
  const channels = useChannels();
  const [adding, setAdding] = useState(false);
  const rows = channels.data ?? [];
  async function test(id: string) {
    try {
      await post(`/api/admin/channels/${id}/test`);
      void message.success(t('testSent'));
    } catch (e) {
      void message.error((e as Error).message);
    }
  }
  return (
    <section className="sheet scroll" aria-label={t('channels')}>
      <div className="sheet-head"><h1>{t('channels')}</h1><span className="grow" /><Button type="primary" onClick={() => setAdding(true)}>{t('newChannel')}</Button></div>
      {adding && <ChannelForm onClose={() => setAdding(false)} />}
      {channels.error && !channels.data ? <ErrorState error={channels.error} onRetry={() => void channels.refetch()} />
        : channels.isLoading ? <Loading rows={6} />
        : rows.length === 0 ? (!adding && <EmptyState title={t('channelsEmpty')} hint={t('channelsEmptyHint')}><Button onClick={() => setAdding(true)}>{t('newChannel')}</Button></EmptyState>)
        : (
          <table className="plain" aria-label={t('channels')}>
            <thead><tr><th scope="col">{t('kind')}</th><th scope="col">{t('org')}</th><th scope="col">{t('url')}</th><th scope="col">{t('state')}</th><th scope="col"><span className="sr">{t('test')}</span></th></tr></thead>
            <tbody>
              {rows.map((c) => (
                <tr key={c.id}>
                  <td>{t(`kind.${c.kind}`).replace(/^kind\./, '')}</td>
                  <td>{typeof c.org === 'string' ? c.org : c.org?.display}</td>
                  <td className="num">{c.url}{c.lastError && <div className="late-word small">{t('lastError', { why: c.lastError })}</div>}</td>
                  <td><span className={c.enabled ? 'mark mark-done' : 'mark mark-closed'}>{t(c.enabled ? 'enabled' : 'disabled')}</span></td>
                  <td className="right"><Button size="small" onClick={() => void test(c.id)}>{t('test')}</Button></td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
    </section>
  );
}

function ChannelForm({ onClose }: { onClose: () => void }) {
  const t = useWords({ zh, en });
  const me = useWho();
  const client = useQueryClient();
  const { message, modal } = App.useApp();
  const [kind, setKind] = useState('webhook');
  const [org, setOrg] = useState(me?.role.institution as { reference: string; display?: string } | undefined);
  const [url, setUrl] = useState('');
  const [secret, setSecret] = useState('');
  const [enabled, setEnabled] = useState(true);
  const [why, setWhy] = useState('');
  async function save(e: FormEvent) {
    e.preventDefault();
    if (!/^https?:\/\/\S+$/.test(url.trim())) return setWhy(t('needUrl'));
    try {
      const made = await post<Channel>('/api/admin/channels', { org: org?.reference, kind, url: url.trim(), secret, enabled });
      if (made?.secret) modal.info({ title: t('secretOnce'), content: <p className="once"><code>{made.secret}</code></p>, okText: t('close') });
      void message.success(t('saved'));
      void client.invalidateQueries({ queryKey: ['channels'] });
      onClose();
    } catch (error) {
      setWhy(error instanceof Refusal ? error.message || error.code : String(error));
    }
  }
  return (
    <form className="stack narrow pad" onSubmit={save} noValidate aria-label={t('newChannel')}>
      <label htmlFor="ch-kind">{t('kind')}</label>
      <Select id="ch-kind" value={kind} onChange={setKind} options={['webhook', 'sms', 'voice', 'wecom'].map((k) => ({ value: k, label: t(`kind.${k}`) }))} />
      <label htmlFor="ch-org">{t('org')}</label>
      <OrgPicker id="ch-org" value={org} onChange={(v) => setOrg(v as typeof org)} />
      <label htmlFor="ch-url">{t('url')} <span className="required" aria-hidden>*</span></label>
      <Input id="ch-url" type="url" value={url} onChange={(e) => setUrl(e.target.value)} aria-invalid={!!why} />
      <label htmlFor="ch-secret">{t('secret')}</label>
      <Input.Password id="ch-secret" autoComplete="new-password" value={secret} onChange={(e) => setSecret(e.target.value)} />
      <span className="quiet small">{t('secretHelp')}</span>
      <Checkbox checked={enabled} onChange={(e) => setEnabled(e.target.checked)}>{t('enabled')}</Checkbox>
      <div className="field-error" role="alert">{why}</div>
      <div className="actions"><Button type="primary" htmlType="submit">{t('save')}</Button><Button onClick={onClose}>{t('cancel')}</Button></div>
    </form>
  );
}
