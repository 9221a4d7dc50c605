import { useQuery } from '@tanstack/react-query';
import { call, get, query } from '../../../web/src/fhir/client';
import { localInput, spanOf } from '../../../web/src/words/time';
import { useWords } from '../../../web/src/words/words';
import type { Directory, Leader, Level, SetShift, ShiftKind, Shifts } from './api';
import en from './figures.en.json';
import zh from './figures.zh.json';

// What the tabs of shifts, leader and directory share.
export const useFigureWords = () => useWords({ zh, en });

export const levels: Level[] = ['general', 'hdu', 'icu', 'ccu', 'isolation', 'neonatal', 'vip'];

const hour = 3_600_000;
export const hours = (h?: number | null) => (h === undefined || h === null ? '' : h < 1 / 60 ? spanOf(60_000) : spanOf(h * hour));
export const percent = (share?: number | null) => (share === undefined || share === null || !Number.isFinite(share) ? '–' : `${Math.round(share * 100)}%`);
export const tenth = (n: number) => String(Math.round(n * 10) / 10);

// daysBack are the first and the last day of a period that ends today.
export const daysBack = (n: number, now = Date.now()) => ({ from: localInput(new Date(now - (n - 1) * 24 * hour), false), to: localInput(new Date(now), false) });

export const useLeader = (pool: string, days: number) => {
  const ask = daysBack(days);
  return useQuery({ queryKey: ['beds', 'leader', pool, ask.from, ask.to], queryFn: ({ signal }) => get<Leader>(`/api/beds/leader${query({ pool, ...ask })}`, signal), staleTime: 60_000 });
};

export const useDirectory = (ask: { specialty?: string; level?: string }) =>
  useQuery({ queryKey: ['beds', 'directory', ask.specialty, ask.level], queryFn: ({ signal }) => get<Directory>(`/api/beds/directory${query(ask)}`, signal), staleTime: 30_000 });

export const shiftsKey = (pool: string) => ['beds', 'shifts', pool];
export const useShifts = (pool: string) =>
  useQuery({ queryKey: shiftsKey(pool), queryFn: ({ signal }) => get<Shifts>(`/api/beds/shifts${query({ pool })}`, signal), staleTime: 30_000 });
export const setShift = (s: SetShift, key: string) => call<unknown>('/api/beds/shifts', { method: 'PUT', body: s, headers: { 'Idempotency-Key': key } });

// usual are the numbers of nurses that are offered for one click: around the last one, else what the load would need.
export function usual(last: number | undefined, load: number, kind: Pick<ShiftKind, 'points'> | undefined): number[] {
  const middle = last ?? Math.max(2, Math.ceil(load / (kind?.points || 12)));
  const from = Math.max(1, Math.round(middle) - 3);
  return Array.from({ length: 7 }, (_, i) => from + i);
}
