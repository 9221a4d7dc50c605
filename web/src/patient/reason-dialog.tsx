import { Checkbox, Input, Modal, Select } from 'antd';
import { useState } from 'react';
import type { Name } from '../fhir/types';
import { useName, useWords } from '../words/words';
import en from './reasons.en.json';
import zh from './reasons.zh.json';

export interface Coded { code: string; name: Name }
interface DialogProps { title: string; says: string; reasons: Coded[]; kinds?: Coded[]; onClose: () => void; onGiven: (reason: string, text: string, kinds: string[]) => Promise<void> }

// ReasonDialog asks why, in a code and in words; it is loaded when somebody asks to open a record.
export default function ReasonDialog({ title, says, reasons, kinds, onClose, onGiven }: DialogProps) {
  const t = useWords({ zh, en });
  const name = useName();
  const [reason, setReason] = useState<string>();
  const [text, setText] = useState('');
  const [chosen, setChosen] = useState<string[]>([]);
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState('');
  const ready = !!reason && text.trim().length >= 4 && (!kinds || chosen.length > 0);
  async function give() {
    setBusy(true);
    setFailed('');
    try {
      await onGiven(reason ?? '', text.trim(), chosen);
    } catch (e) {
      setFailed((e as Error).message || t('failed'));
    } finally {
      setBusy(false);
    }
  }
  return (
    <Modal open title={title} onCancel={onClose} width={480} okText={t('open')} cancelText={t('cancel')} okButtonProps={{ disabled: !ready, danger: !kinds }} confirmLoading={busy} onOk={() => void give()}>
      <p className="quiet">{says}</p>
      {kinds && (
        <fieldset className="bare"><legend>{t('kinds')} *</legend>
          <Checkbox.Group value={chosen} onChange={setChosen} options={kinds.map((k) => ({ value: k.code, label: name(k.name) }))} />
        </fieldset>
      )}
      <label className="field"><span>{t('reason')} *</span>
        <Select style={{ width: '100%' }} aria-label={t('reason')} value={reason} onChange={setReason} options={reasons.map((r) => ({ value: r.code, label: name(r.name) }))} />
      </label>
      <label className="field"><span>{t('text')} *</span>
        <Input.TextArea aria-label={t('text')} rows={3} maxLength={500} value={text} onChange={(e) => setText(e.target.value)} placeholder={t('textHelp')} />
      </label>
      {failed && <p role="alert" className="late-word">{failed}</p>}
    </Modal>
  );
}
