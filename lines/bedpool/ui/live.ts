import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { get, query } from '../../../web/src/fhir/client';
import { onLive } from '../../../web/src/shell/live';
import type { Board, Proposal, Waiter, Waiting } from './api';
import { merge, type BoardView } from './data';

const boardKey = (pool: string) => ['beds', 'board', pool];
const waitingKey = (pool: string) => ['beds', 'waiting', pool];
const proposalsKey = (pool: string) => ['beds', 'proposals', pool];

// useBoard is the board of a pool. It asks once for the whole and then for what changed since.
export function useBoard(pool: string) {
  const client = useQueryClient();
  return useQuery({
    queryKey: boardKey(pool),
    queryFn: async ({ signal }) => {
      const before = client.getQueryData<BoardView>(boardKey(pool));
      return merge(before, await get<Board>(`/api/beds/board${query({ pool, since: before?.since })}`, signal));
    },
    structuralSharing: false, // merge keeps what did not change
    staleTime: 60_000,
  });
}

export const useWaiting = (pool: string) =>
  useQuery({ queryKey: waitingKey(pool), queryFn: ({ signal }) => get<Waiting>(`/api/beds/waiting${query({ pool })}`, signal), staleTime: 30_000 });

export const useProposals = (pool: string, wanted: boolean) =>
  useQuery({ queryKey: proposalsKey(pool), queryFn: ({ signal }) => get<{ proposals: Proposal[] | null }>(`/api/beds/proposals${query({ pool })}`, signal), enabled: wanted, staleTime: 15_000 });

// useNames are the whole names of a ward's patients, for those who treat them; asked for anew when other people lie there.
export function useNames(pool: string, ward: string | undefined, patients: string[]) {
  return useQuery({
    queryKey: ['beds', 'names', pool, ward, [...patients].sort().join(' ')],
    queryFn: ({ signal }) => get<{ names: Record<string, string> | null }>(`/api/beds/names${query({ pool, ward })}`, signal),
    enabled: !!ward && patients.length > 0, staleTime: 300_000, retry: false, placeholderData: keepPreviousData,
  }).data?.names ?? undefined;
}

// useBedsLive asks anew as beds move: the board at once, lists when the flurry is over. Nothing polls.
export function useBedsLive(pool: string) {
  const client = useQueryClient();
  useEffect(() => {
    let busy = false;
    let again = false;
    let lists: ReturnType<typeof setTimeout> | undefined;
    const board = async () => {
      if (busy) {
        again = true;
        return;
      }
      busy = true;
      try {
        await client.invalidateQueries({ queryKey: boardKey(pool) });
      } finally {
        busy = false;
        if (again) {
          again = false;
          void board();
        }
      }
    };
    let behind = false; // a case has moved: what it means for a bed comes with it
    const soon = (also: boolean) => {
      behind ||= also;
      clearTimeout(lists);
      lists = setTimeout(() => {
        if (behind) void board();
        behind = false;
        for (const key of [waitingKey(pool), proposalsKey(pool), ['beds', 'fits']]) void client.invalidateQueries({ queryKey: key });
      }, 250);
    };
    const off = onLive((n) => {
      if (n && !/^(booking|beds)\./.test(n.kind) && n.line !== 'bedpool' && n.line !== 'referral') return;
      const moved = !n || /^(booking|beds)\./.test(n.kind);
      if (moved) void board();
      soon(!moved);
    });
    return () => {
      off();
      clearTimeout(lists);
    };
  }, [client, pool]);
}

// useAfterStep draws what a step has done without waiting for the stream.
export function useAfterStep(pool: string) {
  const client = useQueryClient();
  return () => {
    for (const key of [boardKey(pool), waitingKey(pool), proposalsKey(pool), ['beds', 'fits'], ['case'], ['worklist'], ['work'], ['counts']]) void client.invalidateQueries({ queryKey: key });
  };
}

const urgencies = ['emergency', 'urgent', 'cancer', 'elective'];

// inTurn puts who is served first on top: urgency, then since when he waits.
export const inTurn = (rows: Waiter[]) =>
  [...rows].sort((a, b) => urgencies.indexOf(a.needs.urgency) - urgencies.indexOf(b.needs.urgency) || a.since.localeCompare(b.since));

// isLate: the promised time has passed and he has no bed.
export const isLate = (w: Waiter, now: number) => w.late || (!!w.promised && !w.booking && Date.parse(w.promised) < now);
