import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { get, query } from '../../../web/src/fhir/client';
import type { Form, Name, OpenStep, Ref } from '../../../web/src/fhir/types';

export interface Side { reference?: string; name?: string; sex?: string; age?: number; birthDate?: string; org: Ref; updated?: string; opens: boolean; hidden?: boolean }
export interface PairRow {
  task: string; flow: string; state: string; stateName: Name; stateKind: 'open' | 'done' | 'closed'; due: string | null; late: boolean; mine: boolean; version: string; opened: string; what: string;
  owner: Ref; asked?: Ref; question?: string; answer?: string; claimedBy?: string; hospitals: Ref[] | null;
  pair?: string; pairState?: string; pairVersion?: string; why?: string; bar?: string; score: number; probability: number; left: Side | null; right: Side | null;
}
export interface Piece { text: string; mark?: string }
export interface Line { field: string; system?: string; left: Piece[] | null; right: Piece[] | null; same: boolean; masked?: boolean; evidence?: { level: string; bits: number; parts?: { field: string; level: string; bits: number }[] | null } }
export interface Mark { state: string; stateName: Name; at: string; by: { name: string; org?: string }; step: string; note?: string }
export interface Pair { row: PairRow; fields: Line[] | null; path: Mark[] | null; open: OpenStep[] | null; back: boolean; why: Form }
export interface Pairs { rows: PairRow[] | null; total: number; next?: string; counts?: Record<string, number> }

export const usePairs = (view: string) =>
  useInfiniteQuery({
    queryKey: ['worklist', 'personreview', 'pairs', view],
    queryFn: ({ pageParam, signal }) => get<Pairs>(`/api/pairs${query({ view, cursor: pageParam })}`, signal),
    initialPageParam: '',
    getNextPageParam: (last) => last.next || undefined,
  });

export const usePair = (id: string) =>
  useQuery({ queryKey: ['case', 'personreview', 'pair', id], queryFn: ({ signal }) => get<Pair>(`/api/pairs/${encodeURIComponent(id)}`, signal), enabled: !!id });

// marksOf are the kinds of slip in a line, each once.
export const marksOf = (l: Line) => [...new Set([...(l.left ?? []), ...(l.right ?? [])].map((p) => p.mark).filter((m): m is string => !!m))];

// textOf is a value without its marks.
export const textOf = (pieces: Piece[] | null) => (pieces ?? []).map((p) => p.text).join('');
