import { useQuery, useQueryClient } from '@tanstack/react-query';
import { App, Button, Input, Modal } from 'antd';
import { useState, type FormEvent } from 'react';
import { call, get, post } from '../fhir/client';
import { ErrorState, Loading } from '../states/states';
import { timeOf } from '../words/time';
import { useWords } from '../words/words';
import en from './en.json';
import { browserHasPasskeys, dismissed, makePasskey, type Asked } from './passkeys';
import type { Enrolment, Factors as All } from './types';
import zh from './zh.json';


export function Factors({ lenient, onChanged }: { lenient?: boolean; onChanged?: () => void }) {
  const t = useWords({ zh, en });
  const { message, modal } = App.useApp();
  const client = useQueryClient();
  const all = useQuery({ queryKey: ['factors'], queryFn: () => get<All>('/api/me/factors') });
  const [enrolling, setEnrolling] = useState<Enrolment | null>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  const again = () => void client.invalidateQueries({ queryKey: ['factors'] });

  async function attempt(act: () => Promise<void>) {
    try {
      await act();
    } catch (e) {
      if (!dismissed(e)) void message.error((e as Error).message || t('failed'));
    }
  }
  function added(recovery: string[] | null | undefined) {
    void message.success(t('added'));
    again();
    if (recovery?.length) setCodes(recovery);
    else onChanged?.();
  }
  const beginTOTP = () => attempt(async () => setEnrolling(await post<Enrolment>('/api/me/factors/totp')));
  const addPasskey = () => attempt(async () => {
    const asked = await post<Asked>('/api/me/factors/passkey/ask');
    const credential = await makePasskey(asked);
    const said = await post<{ recovery?: string[] }>('/api/me/factors/passkey', { ceremony: asked.ceremony, name: t('passkey'), credential });
    added(said?.recovery);
  });
  const renew = () => attempt(async () => setCodes((await post<{ recovery: string[] }>('/api/me/recovery')).recovery));
  const remove = (id: string, name: string) => modal.confirm({
    title: t('removeFactor'), content: t('removeFactorSays', { name }), okText: t('remove'), cancelText: t('cancel'),
    onOk: () => attempt(async () => { await call(`/api/me/factors/${id}`, { method: 'DELETE' }); again(); }),
  });

  if (all.error && !all.data) return <ErrorState error={all.error} onRetry={() => void all.refetch()} compact />;
  if (!all.data) return <Loading rows={4} />;
  const { factors, recovery, needed, passkeys } = all.data;
  const keys = passkeys && browserHasPasskeys();
  return (
    <>
      {lenient && <p className="quiet">{t('lenient')}</p>}
      {factors.length === 0
        ? <p>{t(needed ? 'noneNeeded' : 'none')}</p>
        : (
          <table className="plain" aria-label={t('factors')}>
            <thead><tr><th scope="col">{t('factor')}</th><th scope="col">{t('name')}</th><th scope="col">{t('added2')}</th><th scope="col">{t('lastUsed')}</th><th scope="col"><span className="sr">{t('remove')}</span></th></tr></thead>
            <tbody>{factors.map((f) => (
              <tr key={f.id}>
                <td>{t(`kind.${f.kind}`)}</td><td>{f.name || '—'}</td><td className="num">{timeOf(f.created)}</td><td className="num">{f.used ? timeOf(f.used) : '—'}</td>
                <td><Button size="small" onClick={() => remove(f.id, f.name || t(`kind.${f.kind}`))}>{t('remove')}</Button></td>
              </tr>
            ))}</tbody>
          </table>
        )}
      <div className="actions">
        <Button type={factors.length ? 'default' : 'primary'} onClick={() => void beginTOTP()}>{t('addTOTP')}</Button>
        {keys && <Button onClick={() => void addPasskey()}>{t('addPasskey')}</Button>}
        {factors.length > 0 && <Button onClick={() => void renew()}>{t('newRecovery', { n: recovery })}</Button>}
      </div>
      {!keys && <p className="quiet small">{t('noPasskeys')}</p>}
      {enrolling && <Enrol e={enrolling} onClose={() => setEnrolling(null)} onDone={(r) => { setEnrolling(null); added(r); }} />}
      {codes && <Recovery codes={codes} onClose={() => { setCodes(null); again(); onChanged?.(); }} />}
    </>
  );
}

function Enrol({ e, onClose, onDone }: { e: Enrolment; onClose: () => void; onDone: (recovery?: string[]) => void }) {
  const t = useWords({ zh, en });
  const [code, setCode] = useState('');
  const [name, setName] = useState('');
  const [why, setWhy] = useState('');
  const [busy, setBusy] = useState(false);
  async function confirm(event: FormEvent) {
    event.preventDefault();
    if (!/^\d{6}$/.test(code.trim())) return setWhy(t('sixDigits'));
    setBusy(true);
    try {
      const said = await post<{ recovery?: string[] }>('/api/me/factors/totp/confirm', { id: e.id, name: name.trim() || t('phone'), code: code.trim() });
      onDone(said?.recovery);
    } catch (error) {
      setWhy((error as Error).message || t('failed'));
      setBusy(false);
    }
  }
  return (
    <Modal open title={t('addTOTP')} footer={null} width={420} onCancel={onClose} mask={{ closable: false }}>
      <form onSubmit={confirm} className="stack" noValidate>
        <p>{t('scan')}</p>
        <svg className="qr" role="img" aria-label={t('qr')} viewBox={`-4 -4 ${e.size + 8} ${e.size + 8}`} shapeRendering="crispEdges">
          <rect x={-4} y={-4} width={e.size + 8} height={e.size + 8} fill="#fff" />
          <path d={e.path} fill="#000" />
        </svg>
        <p className="quiet small">{t('typeSecret')} <code className="secret">{e.secret.replace(/(.{4})/g, '$1 ').trim()}</code></p>
        <label htmlFor="enrol-name">{t('deviceName')}</label>
        <Input id="enrol-name" value={name} maxLength={40} placeholder={t('phone')} onChange={(x) => setName(x.target.value)} />
        <label htmlFor="enrol-code">{t('firstCode')}</label>
        <Input id="enrol-code" inputMode="numeric" autoComplete="one-time-code" maxLength={6} value={code} onChange={(x) => setCode(x.target.value)} aria-invalid={!!why} />
        <div className="field-error" role="alert">{why}</div>
        <div className="actions"><Button type="primary" htmlType="submit" loading={busy}>{t('confirm')}</Button><Button onClick={onClose}>{t('cancel')}</Button></div>
      </form>
    </Modal>
  );
}

function Recovery({ codes, onClose }: { codes: string[]; onClose: () => void }) {
  const t = useWords({ zh, en });
  const { message } = App.useApp();
  return (
    <Modal open title={t('recovery')} width={420} closable={false} mask={{ closable: false }} keyboard={false}
      footer={<><Button onClick={() => void navigator.clipboard?.writeText(codes.join('\n')).then(() => message.success(t('copied')))}>{t('copy')}</Button><Button type="primary" onClick={onClose}>{t('keptThem')}</Button></>}>
      <p>{t('recoverySays')}</p>
      <ul className="codes">{codes.map((c) => <li key={c}><code>{c}</code></li>)}</ul>
    </Modal>
  );
}
