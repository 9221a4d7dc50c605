import { App } from 'antd';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { newKey } from '../../../web/src/fhir/client';
import { useName } from '../../../web/src/words/words';
import type { Proposal, Waiter } from './api';
import { placeOf, plainly, whereIs, type BoardView } from './data';
import type { Fit } from './grid';
import { useAfterStep } from './live';
import { useSay } from './say';
import { holdBed, releaseBed, taskVersion, useFits } from './steps';

// usePicking is the waiter in hand: which beds fit him, by the hub's rules once it has answered and by what the board
// shows until then.
export function usePicking(pool: string, waiter: Waiter | undefined): { fit?: Fit; against: (code: string) => string } {
  const t = useSay();
  const say = useName();
  const fits = useFits(pool, waiter?.task);
  const codes = useMemo(() => {
    if (!fits.data || (!fits.data.fits && !fits.data.against)) return null;
    const m = new Map<string, string>((fits.data.fits ?? []).map((b) => [b, '']));
    for (const [code, beds] of Object.entries(fits.data.against ?? {})) for (const b of beds) if (!m.has(b)) m.set(b, code);
    return m;
  }, [fits.data]);
  const needs = waiter?.needs;
  const fit = useMemo<Fit | undefined>(() => {
    if (!needs) return undefined;
    return codes ? (b) => codes.get(b.id) ?? plainly(b, undefined, needs) : (b, r) => plainly(b, r, needs);
  }, [codes, needs]);
  const words = fits.data?.words;
  const against = useCallback((code: string) => (words?.[code] ? say(words[code]) : t(`against.${code}`).replace(/^against\./, '')), [words, say, t]);
  return { fit, against };
}

// useAccept gives a waiter the bed that was proposed, and takes it back when the desk thinks again.
export function useAccept(pool: string, board: BoardView | undefined) {
  const t = useSay();
  const { message } = App.useApp();
  const after = useAfterStep(pool);
  const [busy, setBusy] = useState<string>();

  const undo = useCallback(async (w: Waiter) => {
    try {
      await releaseBed({ task: w.task, version: await taskVersion(w.task) }, t('undoReason'), newKey());
      void message.success(t('undone'));
    } catch (e) {
      void message.error((e as Error).message || t('failed'));
    } finally {
      after();
    }
  }, [after, message, t]);

  const told = useCallback((w: Waiter, bed: string): { what: string; undo?: () => void } => {
    const place = board ? placeOf(whereIs(board, bed)) : bed;
    if (w.booking) return { what: t('boundDone', { who: w.patient?.name ?? '', bed: place || bed }) }; // to give it back would give up the place
    return { what: t('heldDone', { who: w.patient?.name ?? '', bed: place || bed }), undo: () => void undo(w) };
  }, [board, t, undo]);

  const accept = useCallback(async (w: Waiter, p: Proposal): Promise<{ what: string; undo?: () => void } | null> => {
    setBusy(w.task);
    try {
      await holdBed(w, { bed: p.bed!, bind: !!w.booking }, newKey());
      return told(w, p.bed!);
    } catch (e) {
      void message.error((e as Error).message || t('failed'), 6);
      return null;
    } finally {
      setBusy(undefined);
      after();
    }
  }, [after, message, t, told]);
  return { accept, told, busy };
}

// useKept keeps a choice of the desk on this machine: nothing about patients.
export function useKept(name: string, first: string): [string, (v: string) => void] {
  const [value, set] = useState(() => {
    try {
      return localStorage.getItem(`xinglin.beds.${name}`) ?? first;
    } catch {
      return first;
    }
  });
  useEffect(() => {
    try {
      localStorage.setItem(`xinglin.beds.${name}`, value);
    } catch {
      // a private window keeps nothing
    }
  }, [name, value]);
  return [value, set];
}
