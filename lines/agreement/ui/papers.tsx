import UploadOutlined from '@ant-design/icons/es/icons/UploadOutlined';
import { App, Button } from 'antd';
import { useRef, useState } from 'react';
import { call, newKey } from '../../../web/src/fhir/client';
import { useCaseMoved } from '../../../web/src/fhir/queries';
import type { Pointed, Values } from '../../../web/src/line/parameters';
import { useWords } from '../../../web/src/words/words';
import en from './en.json';
import zh from './zh.json';

// send puts a paper of the institution beside the agreement: it is about no patient.
async function send(file: File): Promise<Pointed> {
  const form = new FormData();
  form.append('file', file, file.name);
  const title = encodeURIComponent(file.name);
  const said = await call<{ reference: string }>(`/api/files?about=agreement&title=${title}`, { method: 'POST', raw: form });
  return { reference: said.reference, display: file.name };
}

function Choose({ busy, onFile }: { busy: boolean; onFile: (f: File) => void }) {
  const t = useWords({ zh, en });
  const box = useRef<HTMLInputElement>(null);
  return (
    <>
      <input ref={box} type="file" hidden aria-label={t('paper')} accept=".pdf,image/*" onChange={(e) => {
        const f = e.target.files?.[0];
        e.target.value = '';
        if (f) onFile(f);
      }} />
      <Button size="small" icon={<UploadOutlined aria-hidden />} loading={busy} onClick={() => box.current?.click()}>{t('paper')}</Button>
    </>
  );
}

// Papers are chosen with a new agreement.
export function Papers({ values, set }: { values: Values; set: (name: string, value: unknown) => void }) {
  const t = useWords({ zh, en });
  const { message } = App.useApp();
  const [busy, setBusy] = useState(false);
  const list = (values.documents as Pointed[] | undefined) ?? [];
  return (
    <div className="field field-wide agree-papers">
      <span className="label">{t('papers')}</span>
      <ul className="bare">{list.map((p) => <li key={p.reference}>{p.display} <Button size="small" type="link" onClick={() => set('documents', list.filter((x) => x !== p))}>{t('takeAway')}</Button></li>)}</ul>
      <Choose busy={busy} onFile={(f) => {
        setBusy(true);
        void send(f).then((p) => set('documents', [...list, p]), (e: Error) => message.error(e.message)).finally(() => setBusy(false));
      }} />
      <div className="quiet small">{t('papersHint')}</div>
    </div>
  );
}

// Attach adds one to an agreement that stands.
export function Attach({ task, version }: { task: string; version?: string }) {
  const t = useWords({ zh, en });
  const moved = useCaseMoved();
  const { message } = App.useApp();
  const [busy, setBusy] = useState(false);
  async function add(f: File) {
    setBusy(true);
    try {
      const paper = await send(f);
      await call(`/fhir/${task}/$attach`, {
        method: 'POST', body: { resourceType: 'Parameters', parameter: [{ name: 'documents', valueReference: paper }] },
        headers: { 'Idempotency-Key': newKey(), ...(version ? { 'If-Match': `W/"${version}"` } : {}) },
      });
      void message.success(t('attached'));
      moved();
    } catch (e) {
      void message.error((e as Error).message);
    } finally {
      setBusy(false);
    }
  }
  return <Choose busy={busy} onFile={(f) => void add(f)} />;
}
