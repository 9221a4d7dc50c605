import { useQuery, useQueryClient } from '@tanstack/react-query';
import { App, Button, Input, Modal } from 'antd';
import { useState, type FormEvent } from 'react';
import type { Rules } from '../account/types';
import { get, post, Refusal } from '../fhir/client';
import { useLang, useWords } from '../words/words';
import en from './en.json';
import zh from './zh.json';

// Password changes one's own password, by the rules of the hub.
export default function Password({ onClose, must }: { onClose: () => void; must?: boolean }) {
  const t = useWords({ zh, en });
  const lang = useLang();
  const client = useQueryClient();
  const { message } = App.useApp();
  const rules = useQuery({ queryKey: ['rules'], queryFn: () => get<Rules>('/api/rules'), staleTime: Infinity });
  const [old, setOld] = useState('');
  const [next, setNext] = useState('');
  const [again, setAgain] = useState('');
  const [why, setWhy] = useState('');
  const [busy, setBusy] = useState(false);

  async function save(e: FormEvent) {
    e.preventDefault();
    if (!next) return setWhy(t('passwordEmpty'));
    if (next !== again) return setWhy(t('passwordDiffers'));
    setBusy(true);
    try {
      await post('/api/password', { old, new: next });
      void message.success(t('passwordChanged'));
      void client.invalidateQueries({ queryKey: ['logins'] });
      onClose();
    } catch (error) {
      setWhy(error instanceof Refusal && error.status === 0 ? t('loginOffline') : (error as Error).message);
    } finally {
      setBusy(false);
    }
  }
  return (
    <Modal open title={t('changePassword')} footer={null} onCancel={must ? undefined : onClose} closable={!must} width={380}>
      <form onSubmit={save} className="stack" noValidate>
        <label htmlFor="old-password">{t('oldPassword')}</label>
        <Input.Password id="old-password" autoComplete="current-password" value={old} onChange={(e) => setOld(e.target.value)} />
        <label htmlFor="new-password">{t('newPassword')}</label>
        <Input.Password id="new-password" autoComplete="new-password" value={next} onChange={(e) => setNext(e.target.value)} aria-describedby="password-rule" />
        <ul id="password-rule" className="quiet small">
          {(rules.data?.sentences ?? []).filter((s) => s.code !== 'attempts' && s.code !== 'session').map((s) => <li key={s.code}>{lang === 'en' ? s.en : s.zh}</li>)}
        </ul>
        <label htmlFor="repeat-password">{t('repeatPassword')}</label>
        <Input.Password id="repeat-password" autoComplete="new-password" value={again} onChange={(e) => setAgain(e.target.value)} />
        <div className="field-error" role="alert">{why}</div>
        <div className="actions">
          <Button type="primary" htmlType="submit" loading={busy}>{t('save')}</Button>
          {!must && <Button onClick={onClose}>{t('cancel')}</Button>}
        </div>
      </form>
    </Modal>
  );
}
