import { useQuery } from '@tanstack/react-query';
import { get, idOf, post, query } from '../../../web/src/fhir/client';
import { fromInput } from '../../../web/src/words/time';
import type { Fits, Waiter, Why } from './api';

type Parameter = { name: string; [value: string]: unknown };

// step does a step of a waiter's case; two desks that mean the same case are told apart by its version.
const step = (w: Pick<Waiter, 'task' | 'version'>, name: string, parameter: Parameter[], key: string) =>
  post(`/fhir/${w.task}/$${name}`, { resourceType: 'Parameters', parameter }, { 'Idempotency-Key': key, ...(w.version ? { 'If-Match': `W/"${w.version}"` } : {}) });

export interface Wish { bed: string; bedName?: string; expected?: string; override?: string[]; reason?: string; take?: boolean; bind?: boolean }

// holdBed holds the bed for him; an emergency takes it from a hold that is not on its way yet; a reserved place becomes it.
export function holdBed(w: Pick<Waiter, 'task' | 'version'>, wish: Wish, key: string) {
  const p: Parameter[] = [{ name: 'bed', valueReference: { reference: wish.bed, ...(wish.bedName ? { display: wish.bedName } : {}) } }];
  if (wish.expected && !wish.take && !wish.bind) p.push({ name: 'expected', valueDateTime: fromInput(wish.expected) });
  if (!wish.take) for (const o of wish.override ?? []) p.push({ name: 'override', valueCode: o });
  if (wish.reason?.trim()) p.push({ name: 'reason', valueString: wish.reason.trim() });
  return step(w, wish.take ? 'take-bed' : wish.bind ? 'bind-bed' : 'hold-bed', p, key);
}

export interface Place { date: string; group?: string; level?: string; sex?: string }

// reservePlace keeps a place of a day for him; that morning it becomes a bed.
export function reservePlace(w: Pick<Waiter, 'task' | 'version'>, wish: Place, key: string) {
  const p: Parameter[] = [{ name: 'reserve', valueBoolean: true }, { name: 'date', valueDate: wish.date }];
  for (const [name, value] of [['group', wish.group], ['level', wish.level], ['sex', wish.sex]] as const) if (value) p.push(name === 'group' ? { name, valueString: value } : { name, valueCode: value });
  return step(w, 'hold-bed', p, key);
}

export const releaseBed = (w: Pick<Waiter, 'task' | 'version'>, reason: string, key: string) => step(w, 'release-bed', [{ name: 'reason', valueString: reason }], key);

// taskVersion is the version that a step must name after another step has moved the case.
export const taskVersion = async (task: string) => ((await get<{ meta?: { versionId?: string } }>(`/fhir/${task}`)).meta?.versionId ?? '');

// takeIn begins a stay from the case by which he came.
export const takeIn = (from: string, key: string) =>
  post('/fhir/Task/$start', { resourceType: 'Parameters', parameter: [{ name: 'line', valueCode: 'bedpool' }, { name: 'flow', valueCode: 'stay' }, { name: 'from', valueReference: { reference: from } }] }, { 'Idempotency-Key': key });

export const setBedState = (bed: string, state: string, reason: string, key: string) => post('/api/beds/state', { bed, state, reason }, { 'Idempotency-Key': key });

// useFits asks once for all beds which of them fit a waiter; useWhy asks for one bed in full words.
export const useFits = (pool: string, task?: string) =>
  useQuery({ queryKey: ['beds', 'fits', pool, task], queryFn: ({ signal }) => get<Fits>(`/api/beds/why${query({ pool, task })}`, signal), enabled: !!task, staleTime: 10_000, retry: false });
export const useWhy = (bed?: string, task?: string) =>
  useQuery({ queryKey: ['beds', 'fits', 'one', bed, task], queryFn: ({ signal }) => get<Why>(`/api/beds/why${query({ bed, task })}`, signal), enabled: !!bed && !!task, staleTime: 2_000, retry: false });

export const caseAt = (w: { task: string; line?: string }) => `/lines/${w.line || 'bedpool'}/cases/${idOf(w.task)}`;
