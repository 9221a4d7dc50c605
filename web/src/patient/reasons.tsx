import { useQuery, useQueryClient } from '@tanstack/react-query';
import { App, Button, Checkbox, Input, Modal, Select } from 'antd';
import { useState } from 'react';
import { get, post } from '../fhir/client';
import type { Name } from '../fhir/types';
import { useName, useWords } from '../words/words';
import en from './reasons.en.json';
import zh from './reasons.zh.json';

interface Coded { code: string; name: Name }
interface Reasons { mayBreakGlass: boolean; breakGlass: Coded[]; further: Coded[]; kinds: Coded[]; hours: number; perDay: number; furtherHours: number }
interface Opened { parameter?: { name: string; valueReference?: { reference: string } }[] }

export const useReasons = () => useQuery({ queryKey: ['reasons'], queryFn: ({ signal }) => get<Reasons>('/api/reasons', signal), staleTime: Infinity });

// whole is a number that names one person: an ID number, an insurance or record number.
export const whole = (typed: string) => /^[0-9A-Za-z-]{6,30}$/.test(typed.trim()) && /[0-9]{5}/.test(typed);

// BreakGlass opens a closed record in an emergency, by an exact number.
export function BreakGlass({ identifier, onOpened }: { identifier: string; onOpened: (reference: string) => void }) {
  const t = useWords({ zh, en });
  const reasons = useReasons();
  const [open, setOpen] = useState(false);
  if (!reasons.data?.mayBreakGlass) return null;
  return (
    <>
      <Button size="small" danger onClick={() => setOpen(true)}>{t('breakGlass')}</Button>
      {open && (
        <ReasonDialog title={t('breakGlass')} says={t('breakGlassSays', { h: reasons.data.hours, n: reasons.data.perDay })} reasons={reasons.data.breakGlass} onClose={() => setOpen(false)}
          onGiven={async (reason, text) => {
            const said = await post<Opened>('/fhir/Patient/$break-glass', parameters({ identifier, reason, text }));
            setOpen(false);
            const found = said.parameter?.find((p) => p.name === 'patient')?.valueReference?.reference;
            if (found) onOpened(found);
          }} />
      )}
    </>
  );
}

// Withheld says that a record holds guarded data, and opens it for a further reason.
export function Withheld({ patient }: { patient: string }) {
  const t = useWords({ zh, en });
  const client = useQueryClient();
  const { message } = App.useApp();
  const [open, setOpen] = useState(false);
  const reasons = useReasons();
  const there = useQuery({ queryKey: ['withheld', patient], queryFn: ({ signal }) => get<{ withheld: boolean }>(`/api/patients/${patient.split('/')[1]}/withheld`, signal) });
  if (!there.data?.withheld || !reasons.data) return null;
  return (
    <p className="quiet pad" role="note">
      {t('withheld')} <Button size="small" onClick={() => setOpen(true)}>{t('giveReason')}</Button>
      {open && (
        <ReasonDialog title={t('giveReason')} says={t('furtherSays', { h: reasons.data.furtherHours })} reasons={reasons.data.further} kinds={reasons.data.kinds} onClose={() => setOpen(false)}
          onGiven={async (reason, text, kinds) => {
            await post(`/fhir/${patient}/$further-reason`, parameters({ reason, text }, kinds));
            setOpen(false);
            void message.success(t('opened'));
            await client.invalidateQueries();
          }} />
      )}
    </p>
  );
}

function parameters(values: Record<string, string>, kinds: string[] = []) {
  const parameter = Object.entries(values).map(([name, valueString]) => ({ name, valueString }));
  return { resourceType: 'Parameters', parameter: [...parameter, ...kinds.map((k) => ({ name: 'kinds', valueString: k }))] };
}

interface DialogProps { title: string; says: string; reasons: Coded[]; kinds?: Coded[]; onClose: () => void; onGiven: (reason: string, text: string, kinds: string[]) => Promise<void> }

function ReasonDialog({ title, says, reasons, kinds, onClose, onGiven }: DialogProps) {
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
