import { act, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { useState } from 'react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { me } from '../../dev/fixtures.ts';
import type { Me } from '../fhir/types';
import { hub } from '../test-hub';
import { onLive, useLive } from './live';

type Heard = { data: string; lastEventId?: string };
interface Source { url: string; open: boolean; readyState: number; heard: Record<string, (e: Heard) => void>; onopen?: () => void; onerror?: () => void }
let sources: Source[] = [];

beforeEach(() => {
  sources = [];
  vi.stubGlobal('EventSource', class {
    static CLOSED = 2;
    open = true;
    readyState = 1;
    heard: Record<string, (e: Heard) => void> = {};
    constructor(public url: string) {
      sources.push(this);
    }
    addEventListener(k: string, f: (e: Heard) => void) {
      this.heard[k] = f;
    }
    close() {
      this.open = false;
    }
  });
});
afterEach(() => vi.unstubAllGlobals());

const told = vi.fn();
function Room() {
  const [who, setWho] = useState<Me>({ ...me, events: 41 });
  const [drawn, draw] = useState(0);
  useLive(who, (n) => told(drawn, n.seq));
  return <>
    <button onClick={() => draw(drawn + 1)}>again</button>
    <button onClick={() => setWho({ ...who, role: me.roles[1]!, events: 50 })}>other role</button>
  </>;
}

it('keeps one stream however often the page is drawn, and tells the newest hearer', async () => {
  hub(<Room />);
  for (let n = 0; n < 3; n++) await userEvent.click(screen.getByText('again'));
  expect(sources.map((s) => s.url)).toEqual(['/api/stream?after=41']);
  act(() => sources[0]!.heard.notice!({ data: JSON.stringify({ seq: 42, kind: 'referral.accept', text: { zh: '' } }) }));
  expect(told).toHaveBeenLastCalledWith(3, 42);
});

it('opens another for another role', async () => {
  hub(<Room />);
  await userEvent.click(screen.getByText('other role'));
  expect(sources.map((s) => [s.url, s.open])).toEqual([['/api/stream?after=41', false], ['/api/stream?after=50', true]]);
});

it('asks for everything anew when it was away for long', async () => {
  const heard = vi.fn();
  const end = onLive(heard);
  hub(<Room />);
  act(() => sources[0]!.heard.reset!({ data: '{}' }));
  expect(heard).toHaveBeenCalledExactlyOnceWith(null);
  end();
});

it('goes on after the last event that it heard when the hub refused the line', () => {
  vi.useFakeTimers();
  hub(<Room />);
  act(() => {
    sources[0]!.heard.notice!({ data: JSON.stringify({ seq: 43, kind: 'referral.accept', text: { zh: '' } }), lastEventId: '43' });
    sources[0]!.readyState = 2;
    sources[0]!.onerror?.();
    vi.advanceTimersByTime(1000);
  });
  expect(sources.map((s) => s.url)).toEqual(['/api/stream?after=41', '/api/stream?after=43']);
  vi.useRealTimers();
});

it('asks once for what comes in a burst, and for the lists that it moved only', () => {
  vi.useFakeTimers();
  const { client } = hub(<Room />);
  const asks = vi.spyOn(client, 'invalidateQueries');
  act(() => {
    for (let seq = 60; seq < 80; seq++) {
      sources[0]!.heard.notice!({ data: JSON.stringify({ seq, kind: 'referral.accept', line: 'referral', text: { zh: '' } }) });
      vi.advanceTimersByTime(10);
    }
    vi.advanceTimersByTime(1000);
  });
  expect(asks.mock.calls.map(([f]) => f!.queryKey)).toEqual([['work'], ['case'], ['notices'], ['worklist', 'referral']]);
  vi.useRealTimers();
});

it('what moves beds asks for no list of cases', () => {
  vi.useFakeTimers();
  const { client } = hub(<Room />);
  const asks = vi.spyOn(client, 'invalidateQueries');
  act(() => {
    sources[0]!.heard.notice!({ data: JSON.stringify({ seq: 61, kind: 'booking.held', text: { zh: '' } }) });
    vi.advanceTimersByTime(1000);
  });
  expect(asks).not.toHaveBeenCalled();
  vi.useRealTimers();
});
