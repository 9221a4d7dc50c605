import UploadOutlined from '@ant-design/icons/es/icons/UploadOutlined';
import { Button, Checkbox, Progress } from 'antd';
import { useRef, useState } from 'react';
import { usePatient } from '../fhir/queries';
import type { TimelineItem } from '../fhir/types';
import { ErrorState } from '../states/states';
import { dateOf } from '../words/time';
import { useWords } from '../words/words';
import en from './en.json';
import type { Pointed } from './parameters';
import { upload } from './upload';
import zh from './zh.json';

const belongs = new Set(['document', 'result', 'condition', 'medication', 'procedure', 'encounter']);

interface Sending { name: string; share: number; state: 'sending' | 'done' | 'failed'; why?: string; file: File }

// PacketPicker chooses what travels with the patient: from the record, or a file sent now in parts that resume.
export default function PacketPicker({ patient, value, onChange, labelledBy }: {
  id?: string; labelledBy?: string; patient?: string; value: Pointed[]; onChange: (v: Pointed[]) => void;
}) {
  const t = useWords({ zh, en });
  const record = usePatient(patient);
  const [more, setMore] = useState(false);
  const [sending, setSending] = useState<Sending[]>([]);
  const input = useRef<HTMLInputElement>(null);
  const chosen = useRef(value);
  chosen.current = value;
  const items = (record.data?.pages.flatMap((p) => p.timeline ?? []) ?? []).filter((i) => belongs.has(i.kind) && i.reference);
  const has = (r: string) => value.some((v) => v.reference === r);
  const listed = items.filter((i, n) => more || n < 8 || has(i.reference)); // what goes along is always in sight
  const toggle = (i: TimelineItem) =>
    onChange(has(i.reference) ? value.filter((v) => v.reference !== i.reference) : [...value, { reference: i.reference, display: i.title }]);
  const uploaded = value.filter((v) => !items.some((i) => i.reference === v.reference));

  async function send(file: File) {
    if (!patient) return;
    const mark = (s: Partial<Sending>) => setSending((all) => all.map((x) => (x.file === file ? { ...x, ...s } : x)));
    setSending((all) => [...all.filter((x) => x.file !== file), { name: file.name, share: 0, state: 'sending', file }]);
    try {
      const reference = await upload(file, patient, (share) => mark({ share }));
      mark({ state: 'done', share: 1 });
      onChange([...chosen.current, { reference, display: file.name }]);
      setSending((all) => all.filter((x) => x.file !== file));
    } catch (e) {
      mark({ state: 'failed', why: (e as Error).message || t('uploadFailed') });
    }
  }

  return (
    <div className="packet" role="group" aria-labelledby={labelledBy}>
      {!patient ? <p className="quiet">{t('packetNoPatient')}</p>
        : record.error ? <ErrorState error={record.error} compact onRetry={() => void record.refetch()} />
        : record.isLoading ? <p className="quiet" role="status">…</p>
        : items.length === 0 && uploaded.length === 0 ? <p className="quiet">{t('packetEmpty')}</p>
        : (
          <ul className="bare packet-list">
            {listed.map((i) => (
              <li key={i.reference}>
                <Checkbox checked={has(i.reference)} onChange={() => toggle(i)}>
                  <span className="kind">{t(`kind.${i.kind}`)}</span> {i.title} {i.abnormal && <b className="late-word">{t('abnormal')}</b>}
                  <span className="quiet small num"> {dateOf(i.at)}</span>
                </Checkbox>
              </li>
            ))}
            {uploaded.map((v) => (
              <li key={v.reference}>
                <Checkbox checked onChange={() => onChange(value.filter((x) => x.reference !== v.reference))}>
                  <span className="kind">{t('kind.document')}</span> {v.display ?? v.reference}
                </Checkbox>
              </li>
            ))}
          </ul>
        )}
      <ul className="bare">
        {sending.map((s) => (
          <li key={s.name} className="sending">
            <span>{s.name}</span>
            <Progress percent={Math.round(s.share * 100)} size="small" status={s.state === 'failed' ? 'exception' : 'active'} style={{ width: 160 }} aria-label={s.name} />
            {s.state === 'failed' && (
              <>
                <span className="late-word small">{s.why}</span>
                <Button size="small" onClick={() => void send(s.file)}>{t('resume')}</Button>
              </>
            )}
          </li>
        ))}
      </ul>
      <div className="packet-foot">
        {items.length > 8 && <Button type="link" size="small" onClick={() => setMore(!more)}>{more ? t('packetLess') : t('packetMore', { n: items.length })}</Button>}
        <Button size="small" icon={<UploadOutlined aria-hidden />} disabled={!patient} onClick={() => input.current?.click()}>{t('upload')}</Button>
        <input ref={input} type="file" hidden multiple accept="image/*,application/pdf,.dcm,.txt" aria-label={t('upload')} onChange={(e) => {
          for (const f of Array.from(e.target.files ?? [])) void send(f);
          e.target.value = '';
        }} />
        <span className="quiet small">{t('packetChosen', { n: value.length })}</span>
      </div>
    </div>
  );
}
