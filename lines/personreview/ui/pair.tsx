import CloseOutlined from '@ant-design/icons/es/icons/CloseOutlined';
import EyeOutlined from '@ant-design/icons/es/icons/EyeOutlined';
import { App, Button, Tooltip } from 'antd';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { Link } from 'react-router';
import { idOf, post } from '../../../web/src/fhir/client';
import type { OpenStep } from '../../../web/src/fhir/types';
import { Due, StateMark } from '../../../web/src/line/marks';
import { typing } from '../../../web/src/shell/search';
import { useSex } from '../../../web/src/patient/sex';
import { ErrorState, Loading } from '../../../web/src/states/states';
import { timeOf } from '../../../web/src/words/time';
import { useMarks, useName, useWords } from '../../../web/src/words/words';
import { Decide, TakeBack } from './decide';
import { marksOf, textOf, usePair, type Line, type Mark, type PairRow, type Piece, type Side } from './data';
import en from './en.json';
import { bar, percent } from './list';
import zh from './zh.json';

const keys: Record<string, string> = { a: 'accept', r: 'reject', q: 'ask' };

// PairView lays two records side by side and asks for one word.
export function PairView({ id, onDone, onClose }: { id: string; onDone: () => void; onClose: () => void }) {
  const t = useWords({ zh, en });
  const say = useName();
  const data = usePair(id);
  const [doing, setDoing] = useState('');
  const open = useMemo(() => data.data?.open ?? [], [data.data]);
  const step = open.find((s) => s.do === doing);
  useEffect(() => {
    const press = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || e.altKey || typing(e.target) || document.querySelector('.ant-modal-wrap:not([style*="display: none"])')) return;
      const wanted = keys[e.key.toLowerCase()];
      if (!wanted || !open.some((s) => s.do === wanted)) return;
      setDoing(wanted);
      e.preventDefault();
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, [open]);
  const shut = useCallback(() => setDoing(''), []);
  const head = <div className="case-tools"><Button type="text" size="small" icon={<CloseOutlined />} aria-label={t('close')} title={`${t('close')} (Esc)`} onClick={onClose} /></div>;
  if (data.error && !data.data) return <aside className="sheet pair" aria-label={t('pair')}>{head}<ErrorState error={data.error} onRetry={() => void data.refetch()} /></aside>;
  if (!data.data) return <aside className="sheet pair" aria-label={t('pair')}>{head}<Loading rows={14} /></aside>;
  const { row: r, fields, path, back, why } = data.data;
  return (
    <aside className="sheet pair" aria-label={t('pair')}>
      <div className="pair-head">
        <h2>{r.flow === 'undo' ? t('undone') : t('question')}</h2>
        <StateMark name={r.stateName} kind={r.stateKind} late={r.late} />
        <Due due={r.due} entered={r.opened} kind={r.stateKind} />
        <span className="grow" />
        {head}
      </div>
      {r.flow !== 'undo' && <Verdict row={r} />}
      {r.question && r.state === 'asked' && <p className="strip strip-soon"><span className="strip-label">{t('asked', { who: r.asked?.display ?? '' })}</span> {r.question}</p>}
      {r.answer && <p className="strip"><span className="strip-label">{t('answered', { who: r.asked?.display ?? '' })}</span> {r.answer}</p>}
      {(fields ?? []).length > 0 && r.left && r.right && <Compared row={r} fields={fields ?? []} />}
      {r.flow !== 'undo' && (fields ?? []).length === 0 && <p className="quiet pad">{r.stateKind === 'open' ? t('noFields') : t('overFields')}</p>}
      {step ? <Decide key={step.do} row={r} step={step} onClose={shut} onDone={() => {
        shut();
        if (r.flow === 'undo' || step.do === 'accept' || step.do === 'reject') onDone();
      }} />
        : open.length > 0 && <Choices open={open} onDo={setDoing} />}
      {back && <TakeBack row={r} form={why} onDone={() => void data.refetch()} />}
      <History path={path ?? []} />
      {r.claimedBy && <p className="quiet small">{t('claimed', { who: r.claimedBy })}</p>}
      <p className="quiet small">{t('nothingWaits')} {say(r.owner.display)}</p>
    </aside>
  );
}

function Choices({ open, onDo }: { open: OpenStep[]; onDo: (step: string) => void }) {
  const t = useWords({ zh, en });
  const say = useName();
  const key = (s: OpenStep) => Object.keys(keys).find((k) => keys[k] === s.do)?.toUpperCase();
  return (
    <div className="pair-choices actions" role="group" aria-label={t('choices')}>
      {open.map((s) => (
        <Button key={s.do} type={s.do === 'accept' || (s.primary && s.do !== 'reject') ? 'primary' : 'default'} danger={s.do === 'reject'} onClick={() => onDo(s.do)}>
          {say(s.name)}{key(s) && <kbd aria-hidden>{key(s)}</kbd>}
        </Button>
      ))}
    </div>
  );
}

function Verdict({ row: r }: { row: PairRow }) {
  const t = useWords({ zh, en });
  return (
    <p className="pair-verdict">
      <Tooltip title={t('bits', { n: r.score.toFixed(1) })}><span className="big num" tabIndex={0}>{percent(r.probability)}</span></Tooltip>
      <span>{t('likely')}</span>
      {r.bar && <b className="mark mark-late">{bar(t, r.bar)}</b>}
      {r.why && <span className="quiet">{t(`why.${r.why}`)}</span>}
    </p>
  );
}

function Compared({ row: r, fields }: { row: PairRow; fields: Line[] }) {
  const t = useWords({ zh, en });
  return (
    <table className="plain compared" aria-label={t('sideBySide')}>
      <thead>
        <tr><th scope="col">{t('field')}</th><Head side={r.left!} /><Head side={r.right!} /><th scope="col" className="c-evidence">{t('evidence')}</th></tr>
      </thead>
      <tbody>{fields.map((l, i) => <FieldLine key={l.field + (l.system ?? '') + i} row={r} line={l} />)}</tbody>
    </table>
  );
}

function Head({ side: s }: { side: Side }) {
  const t = useWords({ zh, en });
  return (
    <th scope="col" className="c-side">
      <span className="c-side-org">{s.org.display ?? t('hidden')}</span>
      {s.updated && <span className="quiet small num"> {t('recorded', { t: timeOf(s.updated) })}</span>}
      {s.opens && s.reference && <> <Link className="small" to={`/patients/${idOf(s.reference)}?person=false`} target="_blank">{t('openRecord')}</Link></>}
    </th>
  );
}

function FieldLine({ row: r, line: l }: { row: PairRow; line: Line }) {
  const t = useWords({ zh, en });
  const marks = marksOf(l).filter((m) => m !== 'differs');
  const one = !textOf(l.left) !== !textOf(l.right);
  const kind = l.same ? 'same' : one || l.field === 'record-number' ? 'one' : 'apart';
  return (
    <tr className={`line-${kind}`}>
      <th scope="row">{label(t, l)}</th>
      <Value row={r} line={l} side="left" />
      <Value row={r} line={l} side="right" />
      <td className="c-evidence">
        {l.evidence && <Bar of={l.evidence} />}
        {marks.length > 0 && <span className="small marks">{marks.map((m) => t(`mark.${m}`)).join(t('comma'))}</span>}
        {one && l.field !== 'record-number' && <span className="small quiet">{t('oneSide')}</span>}
      </td>
    </tr>
  );
}

function label(t: (k: string) => string, l: Line) {
  const kind = l.system?.split('/').at(-1) ?? '';
  const known = kind && t(`number.${kind}`) !== `number.${kind}` ? t(`number.${kind}`) : '';
  return l.field === 'number' && known ? known : t(`field.${l.field}`) === `field.${l.field}` ? l.field : t(`field.${l.field}`);
}

function Value({ row: r, line: l, side }: { row: PairRow; line: Line; side: 'left' | 'right' }) {
  const t = useWords({ zh, en });
  const signs = useMarks();
  const sex = useSex();
  const { message } = App.useApp();
  const [shown, setShown] = useState<string>();
  const pieces = (side === 'left' ? l.left : l.right) ?? [];
  if (r[side]?.hidden) return <td className="quiet">{t('hidden')}</td>;
  if (!pieces.length) return <td className="quiet">—</td>;
  async function reveal() {
    try {
      const said = await post<{ values: string[] | null }>(`/api/pairs/${idOf(r.task)}/reveal`, { side, field: l.field, system: l.system });
      setShown((said.values ?? []).join(signs.list));
    } catch (e) {
      void message.error((e as Error).message);
    }
  }
  return (
    <td className="num c-value" data-org={r[side]?.org.display ?? ''}>
      {shown ?? <Pieces pieces={l.field === 'sex' ? pieces.map((p) => ({ ...p, text: sex(p.text) })) : pieces} />}
      {l.masked && r.stateKind === 'open' && (shown !== undefined
        ? <Button type="link" size="small" onClick={() => setShown(undefined)}>{t('hide')}</Button>
        : <Button type="link" size="small" icon={<EyeOutlined aria-hidden />} title={t('revealSays')} aria-label={`${t('reveal')} ${label(t, l)} ${r[side]?.org.display ?? ''}${signs.aside(t('revealSays'))}`} onClick={() => void reveal()} />)}
    </td>
  );
}

export function Pieces({ pieces }: { pieces: Piece[] }) {
  const t = useWords({ zh, en });
  return <>{pieces.map((p, i) => (p.mark ? <mark key={i} className={`slip slip-${p.mark}`} title={t(`mark.${p.mark}`)}>{p.text}</mark> : <span key={i}>{p.text}</span>))}</>;
}

// Bar grows to the right for what speaks for one person, to the left for what speaks against; 12 bits fill it.
function Bar({ of: e }: { of: NonNullable<Line['evidence']> }) {
  const t = useWords({ zh, en });
  const way = (bits: number) => t(bits > 0.05 ? 'for' : bits < -0.05 ? 'against' : 'neutral');
  const word = (level: string, bits: number) => (t(`level.${level}`) === `level.${level}` ? way(bits) : t(`level.${level}`));
  const signed = (bits: number) => t('bits', { n: (bits > 0 ? '+' : '') + bits.toFixed(1) });
  const width = `${Math.min(50, (Math.abs(e.bits) / 12) * 50).toFixed(1)}%`;
  const parts = (e.parts ?? []).length > 1 ? (e.parts ?? []).map((p) => `${t(`field.${p.field}`)} ${word(p.level, p.bits)} ${signed(p.bits)}`) : [];
  return (
    <Tooltip title={[`${word(e.level, e.bits)} · ${signed(e.bits)}`, ...parts].map((line) => <div key={line}>{line}</div>)}>
      <span className="bits" tabIndex={0} role="img" aria-label={`${word(e.level, e.bits)}${t('comma')}${way(e.bits)} ${signed(e.bits)}`}>
        <span className="bits-bar" aria-hidden><span className={e.bits < 0 ? 'bits-against' : 'bits-for'} style={{ width }} /></span>
        <span className="small" aria-hidden>{word(e.level, e.bits)}</span>
      </span>
    </Tooltip>
  );
}

function History({ path }: { path: Mark[] }) {
  const t = useWords({ zh, en });
  const say = useName();
  if (!path.length) return null;
  return (
    <details className="pair-history">
      <summary>{t('history', { n: path.length })}</summary>
      <ul className="bare history">
        {path.map((m, i) => <li key={i}><span className="num small quiet">{timeOf(m.at)}</span><span>{m.note || say(m.stateName)}</span><span className="quiet small">{[m.by.name, m.by.org].filter(Boolean).join(' · ')}</span></li>)}
      </ul>
    </details>
  );
}
