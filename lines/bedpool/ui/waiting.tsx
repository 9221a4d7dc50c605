import { App, Button, Modal } from 'antd';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { useSearchParams } from 'react-router';
import { idOf } from '../../../web/src/fhir/client';
import { CaseView } from '../../../web/src/line/case';
import { typing } from '../../../web/src/shell/search';
import { EmptyState, ErrorState, Loading } from '../../../web/src/states/states';
import { spanOf, useNow } from '../../../web/src/words/time';
import { useName } from '../../../web/src/words/words';
import { useLines } from '../../../web/src/fhir/queries';
import type { Proposal, Waiter } from './api';
import { placeOf, whereIs } from './data';
import { useAccept } from './desk';
import { Due } from './due';
import { inTurn, isLate, useAfterStep, useBedsLive, useBoard, useProposals, useWaiting } from './live';
import type { TabProps } from './page';
import { useSay } from './say';
import { NeedSigns, shortTime } from './signs';
import { BedUrgencyMark, reasons, Who } from './waiters';

// The one list of all who wait for a bed, with why and until when, and what is proposed for each.
export default function WaitingTab({ pool }: TabProps) {
  const t = useSay();
  const say = useName();
  const { message } = App.useApp();
  const lines = useLines();
  const [url, setUrl] = useSearchParams();
  const waiting = useWaiting(pool.id);
  const board = useBoard(pool.id);
  const now = useNow() + (board.data?.ahead ?? 0);
  const proposals = useProposals(pool.id, true);
  useBedsLive(pool.id);
  const after = useAfterStep(pool.id);
  const { accept, busy } = useAccept(pool.id, board.data);
  const [all, setAll] = useState(false);
  const [doing, setDoing] = useState<{ done: number; of: number }>();
  const rows = useMemo(() => inTurn(waiting.data?.rows ?? []), [waiting.data]);
  const due = rows.filter((w) => w.booking?.due);
  const byTask = useMemo(() => new Map((proposals.data?.proposals ?? []).map((p) => [p.request, p])), [proposals.data]);
  const open = url.get('case') ?? '';
  const view = url.get('view') ?? 'all';
  const shown = rows.filter((w) => (view === 'late' ? isLate(w, now) : view === 'none' ? !w.booking && !!byTask.get(w.task) && !byTask.get(w.task)!.bed : view === 'held' ? !!w.booking : true));
  const sure = rows.filter((w) => !w.booking && byTask.get(w.task)?.bed);
  const set = useCallback((values: Record<string, string>) => setUrl((before) => {
    const next = new URLSearchParams(before);
    for (const [k, v] of Object.entries(values)) if (v) next.set(k, v);
      else next.delete(k);
    return next;
  }, { replace: true }), [setUrl]);
  useEffect(() => {
    const press = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || e.altKey || typing(e.target) || document.querySelector('.ant-modal-wrap:not([style*="display: none"])')) return;
      const i = shown.findIndex((w) => idOf(w.task) === open);
      const next = e.key === 'j' ? shown[i + 1] ?? (i < 0 ? shown[0] : undefined) : e.key === 'k' ? shown[i - 1] : undefined;
      if (next) set({ case: idOf(next.task) });
      else if (e.key === 'Escape' && open) set({ case: '' });
      else return;
      e.preventDefault();
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  });

  async function acceptAll() {
    setAll(false);
    let done = 0;
    for (const w of sure) {
      setDoing({ done, of: sure.length });
      if (await accept(w, byTask.get(w.task)!)) done++;
    }
    setDoing(undefined);
    void message[done === sure.length ? 'success' : 'warning'](t('acceptedN', { n: done, of: sure.length }), 6);
    after();
  }

  if (waiting.error && !waiting.data) return <ErrorState error={waiting.error} onRetry={() => void waiting.refetch()} />;
  if (!waiting.data) return <Loading rows={18} />;
  const at = rows.find((w) => idOf(w.task) === open);
  const line = lines.data?.find((l) => l.slug === (at?.line || 'bedpool'));
  const count = (v: string) => (v === 'late' ? rows.filter((w) => isLate(w, now)).length : v === 'held' ? rows.filter((w) => w.booking).length : v === 'none' ? rows.filter((w) => !w.booking && byTask.get(w.task) && !byTask.get(w.task)!.bed).length : rows.length);
  return (
    <section className={open ? 'desk desk-open beds-waiting' : 'desk beds-waiting'} aria-label={t('tab.waiting')}>
      <div className="sheet desk-list">
        <div className="filters">
          <div className="views" role="group" aria-label={t('views')}>
            {['all', 'late', 'none', 'held'].map((v) => (
              <button key={v} type="button" aria-pressed={view === v} className={view === v ? 'view view-at' : 'view'} onClick={() => set({ view: v === 'all' ? '' : v, case: '' })}>
                {t(`view.${v}`)}<span className={v === 'late' && count(v) ? 'count count-late' : 'count count-plain'}>{count(v)}</span>
              </button>
            ))}
          </div>
          <span className="grow" />
          {sure.length > 0 && <Button size="small" type="primary" loading={!!doing} onClick={() => setAll(true)}>{doing ? t('accepting', doing) : t('acceptAll', { n: sure.length })}</Button>}
        </div>
        <Due rows={due} byTask={byTask} place={(b) => (board.data ? placeOf(whereIs(board.data, b)) : b)} accept={accept}>
          <table className="cases waiting-table"><tbody>{due.map((w) => <Row key={w.task} w={w} p={byTask.get(w.task)} here={idOf(w.task) === open} />)}</tbody></table>
        </Due>
        {rows.length === 0 ? <EmptyState title={t('nobodyWaits')} hint={t('nobodyWaitsHint')} /> : shown.length === 0 ? <EmptyState title={t('noneHere')} /> : (
          <div className="list-scroll">
            <table className="cases waiting-table">
              <thead><tr><th className="c-urgency">{t('urgency')}</th><th className="w-who">{t('patient')}</th><th className="w-dept">{t('dept')}</th>{!open && <th className="w-needs">{t('needs')}</th>}<th className="w-since">{t('waiting')}</th><th className="w-promised">{t('promisedHead')}</th>{!open && <th>{t('why')}</th>}<th className="w-bed">{t('bedHead')}</th></tr></thead>
              <tbody>
                {shown.filter((w) => !w.booking?.due).map((w) => <Row key={w.task} w={w} p={byTask.get(w.task)} here={idOf(w.task) === open} />)}
              </tbody>
            </table>
          </div>
        )}
      </div>
      {open && (
        <aside className="sheet desk-case" aria-label={t('case')}>
          {line && <CaseView key={open} line={line} id={open} onClose={() => set({ case: '' })} />}
        </aside>
      )}
      {all && (
        <Modal open title={t('acceptAllTitle', { n: sure.length })} okText={t('acceptAll', { n: sure.length })} cancelText={t('cancel')} onCancel={() => setAll(false)} onOk={() => void acceptAll()} width={640}>
          <ul className="bare accept-list">
            {sure.map((w) => {
              const p = byTask.get(w.task)!;
              return <li key={w.task}><BedUrgencyMark urgency={w.needs.urgency} /> <Who w={w} /> → <b>{board.data ? placeOf(whereIs(board.data, p.bed!)) : p.bed}</b> <span className="quiet small">{say(reasons(p))}</span></li>;
            })}
          </ul>
        </Modal>
      )}
    </section>
  );

  function Row({ w, p, here }: { w: Waiter; p?: Proposal; here: boolean }) {
    const late = isLate(w, now);
    const place = p?.bed && board.data ? placeOf(whereIs(board.data, p.bed)) : p?.bed;
    return (
      <tr aria-current={here || undefined} className={late ? 'row-late' : ''} onClick={() => set({ case: here ? '' : idOf(w.task) })}>
        <td className="c-urgency"><BedUrgencyMark urgency={w.needs.urgency} /></td>
        <td><button type="button" className="row-open" aria-expanded={here} onClick={(e) => {
          e.stopPropagation();
          set({ case: here ? '' : idOf(w.task) });
        }}><Who w={w} /></button></td>
        <td title={w.from}>{w.needs.specialtyName || w.needs.wardName || w.needs.specialty}{w.from && <span className="quiet small"> · {w.from}</span>}</td>
        {!open && <td><NeedSigns needs={w.needs} /></td>}
        <td className="num">{spanOf(now - Date.parse(w.since))}</td>
        <td className={late ? 'num due-late' : 'num'}>{w.promised ? <>{late && '! '}{shortTime(w.promised, now)}</> : <span className="quiet">–</span>}</td>
        {!open && <td className="quiet">{say(w.reasonName) || (w.reason ? t(`why.${w.reason}`).replace(/^why\./, '') : '')}</td>}
        <td title={p ? say({ zh: p.zh, en: p.en }) : ''}>
          {w.booking && !(w.booking.due && p) ? <span className="mark mark-open">{w.booking.thing.startsWith('capacity:') ? t('placeFor', { day: (w.booking.from ?? '').slice(5, 10) }) : [t('heldAt', { bed: board.data ? placeOf(whereIs(board.data, w.booking.thing)) : '' }), w.booking.expires ? t('holdUntil', { at: shortTime(w.booking.expires, now) }) : t('frozenShort')].join(' · ')}</span>
            : p?.bed ? <><Button size="small" loading={busy === w.task} onClick={(e) => {
              e.stopPropagation();
              void accept(w, p).then((done) => done && message.success(done.what));
            }}>{t(w.booking ? 'bind' : 'accept')}</Button> <span className="waiter-bed">{place}</span> <span className="quiet small">{say(reasons(p))}</span></>
              : p ? <span className="soon-word">{say({ zh: p.zh, en: p.en })}</span> : <span className="quiet">…</span>}
        </td>
      </tr>
    );
  }
}
