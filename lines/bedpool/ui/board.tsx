import { App, Button, Input, Modal, Select } from 'antd';
import { useCallback, useDeferredValue, useEffect, useMemo, useRef, useState } from 'react';
import { useNavigate, useSearchParams } from 'react-router';
import { typing } from '../../../web/src/shell/search';
import { EmptyState, ErrorState, Loading } from '../../../web/src/states/states';
import { useNow } from '../../../web/src/words/time';
import type { BedState, Proposal, Waiter } from './api';
import { Assign } from './assign';
import { Due } from './due';
import { Reserve } from './reserve';
import { BedPanel } from './bed-panel';
import { narrowed, placeOf, states, whereIs, type Filter, type WardView } from './data';
import { useAccept, useKept, usePicking } from './desk';
import { Grid, type Fit } from './grid';
import { inTurn, isLate, useAfterStep, useBedsLive, useBoard, useProposals, useWaiting } from './live';
import type { TabProps } from './page';
import { useSay } from './say';
import { WaiterCard } from './waiters';

// The board: every bed on the left, who waits on the right; one is taken in hand and given the other.
export default function BoardTab({ line, pool }: TabProps) {
  const t = useSay();
  const go = useNavigate();
  const { message } = App.useApp();
  const [url, setUrl] = useSearchParams();
  const board = useBoard(pool.id);
  const now = useNow() + (board.data?.ahead ?? 0);
  const waiting = useWaiting(pool.id);
  useBedsLive(pool.id);
  const after = useAfterStep(pool.id);

  const [density, setDensity] = useKept('density', '');
  const [wantProposals, setWantProposals] = useKept('proposals', 'on');
  const proposals = useProposals(pool.id, wantProposals === 'on' && !waiting.error);
  const beds = board.data?.byBed.size ?? 0;
  const dense = density ? density === 'dense' : beds > 400;
  const [picked, setPicked] = useState<string>();
  const [bed, setBed] = useState<string>();
  const [over, setOver] = useState<string>();
  const [help, setHelp] = useState(false);
  const [reserving, setReserving] = useState(false);
  const [onlyFits, setOnlyFits] = useState(false);
  const box = useRef<HTMLElement>(null);

  const f: Filter = { campus: url.get('campus') ?? '', group: url.get('group') ?? '', specialty: url.get('specialty') ?? '', level: url.get('level') ?? '', state: url.get('state') ?? '', text: url.get('find') ?? '' };
  const asked = useDeferredValue(JSON.stringify(f));
  const wards = useMemo(() => narrowed(board.data?.wards ?? [], JSON.parse(asked) as Filter), [board.data?.wards, asked]);
  const set = useCallback((values: Record<string, string>) => setUrl((before) => {
    const next = new URLSearchParams(before);
    for (const [k, v] of Object.entries(values)) if (v) next.set(k, v);
      else next.delete(k);
    return next;
  }, { replace: true }), [setUrl]);

  const due = useMemo(() => inTurn((waiting.data?.rows ?? []).filter((w) => w.booking?.due)), [waiting.data]);
  const rest = useMemo(() => inTurn((waiting.data?.rows ?? []).filter((w) => !w.booking)), [waiting.data]);
  const held = useMemo(() => inTurn((waiting.data?.rows ?? []).filter((w) => w.booking && !w.booking.due)), [waiting.data]);
  const rows = useMemo(() => [...due, ...rest, ...held], [due, rest, held]);
  const waiter = rows.find((w) => w.task === picked);
  const inHand = waiter?.booking?.thing.startsWith('Location/') ? undefined : waiter; // who has a bed is looked at, not given another
  const { fit, against } = usePicking(pool.id, inHand);
  const { accept, told, busy } = useAccept(pool.id, board.data);
  const byTask = useMemo(() => new Map((proposals.data?.proposals ?? []).map((p) => [p.request, p])), [proposals.data]);
  const at = board.data && bed ? whereIs(board.data, bed) : undefined;
  const hovered = board.data && over && waiter ? whereIs(board.data, over) : undefined;

  const undoable = useCallback((done: { what: string; undo?: () => void } | null) => {
    if (!done) return;
    const { undo } = done;
    if (!undo) return void message.success(done.what, 6);
    const k = `held-${Date.now()}`;
    void message.success({ key: k, duration: 8, content: <>{done.what} <Button size="small" type="link" onClick={() => {
      message.destroy(k);
      undo();
    }}>{t('undo')}</Button></> });
  }, [message, t]);
  const onAccept = useCallback(async (w: Waiter, p: Proposal) => {
    const done = await accept(w, p);
    undoable(done);
    setPicked(undefined);
    return done;
  }, [accept, undoable]);

  const startReserve = useCallback(() => {
    setBed(undefined);
    setReserving(true);
  }, []);
  const drag = useCallback((task: string | undefined) => {
    if (task) setPicked(task);
    else setOver(undefined);
  }, []);
  const show = useCallback((b: string) => {
    setBed(b);
    requestAnimationFrame(() => box.current?.querySelector<HTMLElement>(`[data-bed="${CSS.escape(b)}"]`)?.scrollIntoView?.({ block: 'nearest' }));
  }, []);
  const pick = useCallback((task: string) => {
    setPicked((before) => (before === task ? undefined : task));
    const has = waiting.data?.rows?.find((w) => w.task === task)?.booking?.thing;
    if (has?.startsWith('Location/')) show(has);
  }, [waiting.data, show]);
  const openWard = useCallback((w: string) => go(`/lines/${line.slug}/ward?ward=${encodeURIComponent(w)}${url.get('pool') ? `&pool=${encodeURIComponent(url.get('pool')!)}` : ''}`), [go, line.slug, url]);

  useEffect(() => {
    const press = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || e.altKey || typing(e.target) || document.querySelector('.ant-modal-wrap:not([style*="display: none"])')) return;
      const i = rows.findIndex((w) => w.task === picked);
      const step = e.key === 'j' ? rows[i + 1] ?? (i < 0 ? rows[0] : undefined) : e.key === 'k' ? rows[i - 1] : undefined;
      if (step) setPicked(step.task);
      else if (e.key === 'a' && waiter && byTask.get(waiter.task)?.bed) show(byTask.get(waiter.task)!.bed!);
      else if (e.key === 'b') box.current?.querySelector<HTMLElement>('[data-bed][tabindex="0"]')?.focus();
      else if (e.key === '?') setHelp(true);
      else if (e.key === 'Escape' && (bed || picked)) {
        if (bed) setBed(undefined);
        else setPicked(undefined);
      } else return;
      e.preventDefault();
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, [rows, picked, bed, waiter, byTask, show]);
  useEffect(() => {
    setReserving(false);
    box.current?.querySelector('.waiter-at')?.scrollIntoView?.({ block: 'nearest' });
    if (picked && window.innerWidth < 800) box.current?.querySelector('.in-hand')?.scrollIntoView?.({ block: 'start' }); // on a phone the beds are below
  }, [picked]);

  if (board.error && !board.data) return <ErrorState error={board.error} onRetry={() => void board.refetch()} />;
  if (!board.data) return <Loading rows={18} />;
  const v = board.data;
  if (!v.wards.length) return <EmptyState title={t('noBeds')} hint={t('noBedsHint')} />;
  const desk = !waiting.error;
  const drawn = onlyFits && inHand && fit ? fitting(wards, fit, bed) : wards;
  const card = (w: Waiter) => {
    const p = wantProposals === 'on' && (!w.booking || w.booking.due) ? byTask.get(w.task) : undefined;
    return <WaiterCard key={w.task} w={w} ahead={v.ahead} may picked={w.task === picked} proposal={p} place={w.booking && !w.booking.due ? placeOf(whereIs(v, w.booking.thing)) : p?.bed ? placeOf(whereIs(v, p.bed)) : ''} busy={busy === w.task} onPick={pick} onDrag={drag} onAccept={onAccept} onShow={show} onReserve={startReserve} />;
  };
  const options = (values: (string | undefined)[], word: (s: string) => string) => [...new Set(values.filter((x): x is string => !!x))].map((value) => ({ value, label: word(value) }));
  const anyFilter = Object.values(f).some(Boolean);
  const lates = rows.filter((w) => isLate(w, now)).length;
  const sure = rows.filter((w) => !w.booking && byTask.get(w.task)?.bed);

  return (
    <section className={desk ? 'desk-beds' : 'desk-beds desk-beds-alone'} ref={box} aria-label={t('tab.board')}>
      <div className="beds-main">
        <div className="filters beds-filters">
          <div className="legend" role="group" aria-label={t('legend')}>
            {states.map((s: BedState) => (
              <button key={s} type="button" className={f.state === s ? 'legend-one legend-at' : 'legend-one'} aria-pressed={f.state === s} title={t(`state.${s}`)} onClick={() => set({ state: f.state === s ? '' : s })}>
                <span className={`sign sign-${s}`} aria-hidden>{t(`sign.${s}`)}</span><span className="legend-word">{t(`state.${s}`)}</span> <b className="num">{v.counts[s]}</b>
              </button>
            ))}
          </div>
          <span className="grow" />
          {v.campuses.length > 1 && <Select size="small" allowClear aria-label={t('campus')} placeholder={t('campus')} value={f.campus || undefined} onChange={(x?: string) => set({ campus: x ?? '' })} options={v.campuses.map((c) => ({ value: c.id, label: c.name }))} popupMatchSelectWidth={false} />}
          {v.wards.some((w) => w.ward.group) && <Select size="small" allowClear aria-label={t('group')} placeholder={t('group')} value={f.group || undefined} onChange={(x?: string) => set({ group: x ?? '' })} options={options(v.wards.map((w) => w.ward.group), (x) => t(`group.${x}`).replace(/^group\./, ''))} popupMatchSelectWidth={false} />}
          <Select size="small" allowClear aria-label={t('level')} placeholder={t('level')} value={f.level || undefined} onChange={(x?: string) => set({ level: x ?? '' })} options={options([...v.byBed.values()].map((b) => b.level), (x) => t(`level.${x}`))} popupMatchSelectWidth={false} />
          <Input size="small" allowClear className="beds-find" aria-label={t('find')} placeholder={t('find')} value={url.get('find') ?? ''} onChange={(e) => set({ find: e.target.value })} />
          {anyFilter && <Button size="small" type="link" onClick={() => set({ campus: '', group: '', specialty: '', level: '', state: '', find: '' })}>{t('clear')}</Button>}
          <Button size="small" type="text" aria-pressed={dense} onClick={() => setDensity(dense ? 'wide' : 'dense')}>{dense ? t('wide') : t('dense')}</Button>
          <Button size="small" type="text" className="not-phone" onClick={() => setHelp(true)} aria-label={t('keys')}><kbd>?</kbd></Button>
        </div>
        {inHand && (
          <div className="in-hand small" role="status">
            <b>{t('inHand', { who: inHand.patient?.name ?? '' })}</b> <span>{hovered ? (fit?.(hovered.bed, hovered.room.room) ? t('barsBed', { bed: placeOf(hovered), why: against(fit(hovered.bed, hovered.room.room)!) }) : t('fitsBed', { bed: placeOf(hovered) })) : t('inHandHow')}</span>
            <span className="grow" />{fit && <Button size="small" type={onlyFits ? 'default' : 'text'} aria-pressed={onlyFits} onClick={() => setOnlyFits(!onlyFits)}>{t('onlyFits')}</Button>}<Button size="small" type="link" onClick={() => setPicked(undefined)}>{t('putDown')}</Button>
          </div>
        )}
        <div className="beds-scroll">
          {drawn.length ? <Grid wards={drawn} dense={dense} at={bed} fit={fit} against={against} onOpen={setBed} onDrop={inHand ? setBed : undefined} proposed={inHand && byTask.get(inHand.task)?.bed} onOver={setOver} onWard={openWard} />
            : <EmptyState title={t(wards.length ? 'noneFits' : 'noneFound')}><Button onClick={() => wards.length ? setOnlyFits(false) : set({ campus: '', group: '', specialty: '', level: '', state: '', find: '' })}>{t('clear')}</Button></EmptyState>}
        </div>
      </div>
      {(desk || at) && (
        <aside className="beds-side" aria-label={t('tab.waiting')}>
          {reserving && inHand && !at && (
            <Reserve key={inHand.task} w={inHand} now={now} groups={[...new Set(v.wards.flatMap((w) => w.ward.group ?? []))]} levels={[...new Set([...v.byBed.values()].map((b) => b.level))]} onClose={() => setReserving(false)} onDone={(day) => {
              void message.success(t('reserved', { who: inHand.patient?.name ?? '', day }), 6);
              setPicked(undefined);
              after();
            }} />
          )}
          {at && inHand ? (
            <Assign key={`${inHand.task} ${at.bed.id}`} w={inHand} at={at} ahead={v.ahead} holds={v.holds} onLost={after} onClose={() => setBed(undefined)} onDone={(b) => {
              undoable(told(inHand, b));
              setBed(undefined);
              setPicked(undefined);
              after();
            }} />
          ) : null}
          {at && !inHand ? <BedPanel pool={pool.id} at={at} onClose={() => setBed(undefined)} /> : null}
          {desk && (
            <>
              <header className="waiters-head">
                <h2>{t('waitingN', { n: rest.length })}</h2>
                {lates > 0 && <span className="count count-late" title={t('lateN', { n: lates })}>!{lates}</span>}
                <span className="grow" />
                <Button size="small" type={wantProposals === 'on' ? 'default' : 'text'} aria-pressed={wantProposals === 'on'} onClick={() => setWantProposals(wantProposals === 'on' ? '' : 'on')}>{t('proposals')}{sure.length > 0 && wantProposals === 'on' ? ` ${sure.length}` : ''}</Button>
              </header>
              <Due rows={due} byTask={byTask} place={(b) => placeOf(whereIs(v, b))} accept={onAccept}><ul className="bare" aria-label={t('dueList')}>{due.map(card)}</ul></Due>
              {!waiting.data ? <Loading rows={10} /> : rows.length === 0 ? <EmptyState title={t('nobodyWaits')} hint={t('nobodyWaitsHint')} /> : (
                <ul className="bare waiters" aria-label={t('tab.waiting')}>
                  {rest.map(card)}
                  {held.length > 0 && <li className="waiters-sub quiet small">{t('heldN', { n: held.length })}</li>}
                  {held.map(card)}
                </ul>
              )}
            </>
          )}
        </aside>
      )}
      {help && <Keys onClose={() => setHelp(false)} />}
    </section>
  );
}

// fitting leaves only the beds that fit the waiter in hand, and the one that is open.
function fitting(wards: WardView[], fit: Fit, open?: string): WardView[] {
  return wards.map((w) => {
    const rooms = w.rooms.map((r) => ({ room: r.room, beds: r.beds.filter((b) => b.id === open || !fit(b, r.room)) })).filter((r) => r.beds.length > 0);
    return { ...w, rooms, beds: rooms.flatMap((r) => r.beds) };
  }).filter((w) => w.beds.length > 0);
}

function Keys({ onClose }: { onClose: () => void }) {
  const t = useSay();
  const keys: [string, string][] = [['j  k', 'key.waiter'], ['b', 'key.beds'], ['← ↑ ↓ →', 'key.move'], ['Enter', 'key.open'], ['a', 'key.proposal'], ['Esc', 'key.close']];
  return (
    <Modal open title={t('keys')} onCancel={onClose} footer={null} width={380}>
      <dl className="keys">{keys.map(([k, w]) => <div key={k}><dt><kbd>{k}</kbd></dt><dd>{t(w)}</dd></div>)}</dl>
    </Modal>
  );
}
