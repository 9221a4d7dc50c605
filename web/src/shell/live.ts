import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import type { Counts, Me, Notice } from '../fhir/types';

export type LineState = 'live' | 'stale' | 'offline';

// onLive hears every event of the stream; null says that the stream is back after a break and something may be missed.
const ears = new Set<(n: Notice | null) => void>();
export function onLive(ear: (n: Notice | null) => void) {
  ears.add(ear);
  return () => void ears.delete(ear);
}
const tell = (n: Notice | null) => ears.forEach((ear) => ear(n));

const together = 300; // ms

// What moves beds moves no case: lists stay as they are, and whoever draws beds hears it by onLive.
const ofBeds = (kind: string) => /^(booking|beds)\./.test(kind);

// useLive keeps lists and counts fresh by server-sent events, and says when it cannot. One stream serves a login in one
// role, however often the page is drawn; it begins at the event that the login knew, so nothing falls between.
export function useLive(me: Pick<Me, 'role' | 'events'>, onNotice: (n: Notice) => void): LineState {
  const client = useQueryClient();
  const hear = useRef(onNotice);
  const from = useRef(me.events);
  useEffect(() => {
    hear.current = onNotice;
    from.current = me.events;
  });
  const [stale, setStale] = useState(false);
  const [offline, setOffline] = useState(() => navigator.onLine === false);

  useEffect(() => {
    const up = () => {
      setOffline(false);
      void client.invalidateQueries();
    };
    const down = () => setOffline(true);
    window.addEventListener('online', up);
    window.addEventListener('offline', down);
    return () => {
      window.removeEventListener('online', up);
      window.removeEventListener('offline', down);
    };
  }, [client]);

  useEffect(() => {
    if (typeof EventSource === 'undefined') return;
    let source: EventSource | undefined;
    let again: ReturnType<typeof setTimeout> | undefined;
    let grace: ReturnType<typeof setTimeout> | undefined;
    let wait = 1000;
    let broken = false;
    let over = false;
    let seen = String(from.current ?? '');

    // What comes in a burst is drawn once: lists ask again when the burst is over or goes on.
    const moved = new Set<string>();
    let soon: ReturnType<typeof setTimeout> | undefined;
    const refresh = (line = '') => {
      moved.add(line);
      soon ??= setTimeout(() => {
        soon = undefined;
        for (const key of ['work', 'case', 'notices']) void client.invalidateQueries({ queryKey: [key] });
        for (const l of moved.has('') ? [''] : moved) void client.invalidateQueries({ queryKey: l ? ['worklist', l] : ['worklist'] });
        moved.clear();
      }, together);
    };
    function connect() {
      source = new EventSource(`/api/stream${seen && `?after=${seen}`}`);
      source.onopen = () => {
        wait = 1000;
        clearTimeout(grace);
        grace = undefined;
        setStale(false);
        if (broken) {
          tell(null);
          refresh();
        }
        broken = false;
      };
      source.onerror = () => {
        broken = true;
        grace ??= setTimeout(() => setStale(true), 5000);
        if (source?.readyState === EventSource.CLOSED && !over) {
          again = setTimeout(connect, wait);
          wait = Math.min(wait * 2, 30_000);
        }
      };
      source.addEventListener('notice', (e) => {
        const notice = read<Notice>(e);
        if (!notice) return;
        seen = (e as MessageEvent).lastEventId || seen;
        tell(notice);
        if (ofBeds(notice.kind)) return;
        refresh(notice.line);
        hear.current(notice);
      });
      source.addEventListener('reset', () => {
        tell(null);
        refresh();
      });
      source.addEventListener('counts', (e) => {
        const counts = read<Record<string, Counts>>(e);
        if (!counts) return;
        client.setQueryData(['counts'], counts);
      });
    }
    connect();
    return () => {
      over = true;
      clearTimeout(again);
      clearTimeout(grace);
      clearTimeout(soon);
      source?.close();
    };
  }, [client, me.role.id]);

  return offline ? 'offline' : stale ? 'stale' : 'live';
}

function read<T>(e: Event): T | null {
  try {
    return JSON.parse((e as MessageEvent<string>).data) as T;
  } catch {
    return null;
  }
}
