import { Button, Input, Modal } from 'antd';
import { useState, type FormEvent } from 'react';
import { post, type Refusal } from '../fhir/client';
import { useWords } from '../words/words';
import en from './en.json';
import { browserHasPasskeys, dismissed, showPasskey, type Asked } from './passkeys';
import type { Factors } from './types';
import zh from './zh.json';

// ProofDialog takes the proof itself: a code, a passkey, or the password of somebody who has no second factor.
export default function ProofDialog({ factors, onDone, onLeft }: { factors: Factors; onDone: (proved: boolean) => void; onLeft: (why: string) => void }) {
  const t = useWords({ zh, en });
  const [said, setSaid] = useState('');
  const [why, setWhy] = useState('');
  const [busy, setBusy] = useState(false);
  const code = factors.factors.length > 0;
  const key = factors.passkeys && browserHasPasskeys() && factors.factors.some((f) => f.kind === 'passkey');
  async function attempt(prove: () => Promise<unknown>) {
    setBusy(true);
    setWhy('');
    try {
      await prove();
      onDone(true);
    } catch (e) {
      if (!dismissed(e)) setWhy((e as Refusal).message || t('failed'));
    } finally {
      setBusy(false);
    }
  }
  const byPasskey = () => attempt(async () => {
    const asked = await post<Asked>('/api/step-up/passkey/ask');
    await post('/api/step-up/passkey', { ceremony: asked.ceremony, credential: await showPasskey(asked) });
  });
  function send(e: FormEvent) {
    e.preventDefault();
    void attempt(() => post('/api/step-up', code ? { code: said } : { password: said }));
  }
  return (
    <Modal open title={t('proof')} footer={null} width={380} onCancel={() => onLeft(t('proofLeft'))}>
      <form onSubmit={send} className="stack" noValidate>
        <p className="quiet">{t('proofSays')}</p>
        {key && <Button block onClick={() => void byPasskey()} loading={busy}>{t('usePasskey')}</Button>}
        <label htmlFor="proof-said">{code ? t('code') : t('password')}</label>
        {code
          ? <Input id="proof-said" autoFocus inputMode="numeric" autoComplete="one-time-code" value={said} onChange={(e) => setSaid(e.target.value)} />
          : <Input.Password id="proof-said" autoFocus autoComplete="current-password" value={said} onChange={(e) => setSaid(e.target.value)} />}
        <div className="field-error" role="alert">{why}</div>
        <div className="actions"><Button type="primary" htmlType="submit" loading={busy}>{t('confirm')}</Button></div>
      </form>
    </Modal>
  );
}
