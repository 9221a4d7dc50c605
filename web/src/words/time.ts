import { useSyncExternalStore } from 'react';
import { currentLang } from './words';

const locale = () => (currentLang() === 'zh' ? 'zh-CN' : 'en-GB');
const cache = new Map<string, Intl.DateTimeFormat>();
function format(kind: string, options: Intl.DateTimeFormatOptions) {
  const key = locale() + kind;
  let f = cache.get(key);
  if (!f) cache.set(key, (f = new Intl.DateTimeFormat(locale(), { hour12: false, ...options })));
  return f;
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

// A FHIR date without a time is a calendar day, not midnight in Greenwich.
function parse(at?: string | null): Date | null {
  if (!at) return null;
  const bare = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$/.exec(at);
  const d = bare ? new Date(Number(bare[1]), Number(bare[2] ?? 1) - 1, Number(bare[3] ?? 1)) : new Date(at);
  return Number.isNaN(d.getTime()) ? null : d;
}

export function dateOf(at?: string | null): string {
  const d = parse(at);
  if (!d) return at ?? '';
  if (at && /^\d{4}(-\d{2})?$/.test(at)) return at;
  return format('date', { year: 'numeric', month: '2-digit', day: '2-digit' }).format(d);
}
export function timeOf(at?: string | null): string {
  const d = parse(at);
  if (!d) return at ?? '';
  if (at && /^\d{4}(-\d{2}(-\d{2})?)?$/.test(at)) return dateOf(at);
  const sameYear = d.getFullYear() === new Date().getFullYear();
  return format('time' + sameYear, {
    year: sameYear ? undefined : 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit',
  }).format(d);
}

// spanOf says a length of time in its two largest units: 2天3小时, 1小时05分, 8分.
export function spanOf(ms: number): string {
  const zh = currentLang() === 'zh';
  const m = Math.max(0, Math.floor(ms / minute));
  const [d, h, left] = [Math.floor(m / 1440), Math.floor((m % 1440) / 60), m % 60];
  if (d > 0) return zh ? `${d}天${h ? `${h}小时` : ''}` : `${d}d${h ? ` ${h}h` : ''}`;
  if (h > 0) return zh ? `${h}小时${left ? `${String(left).padStart(2, '0')}分` : ''}` : `${h}h ${String(left).padStart(2, '0')}m`;
  return zh ? `${left}分` : `${left}m`;
}

// isoSpan reads what the server writes as time stayed: PT1H5M, P2DT3H.
export function isoSpan(text?: string): string {
  const m = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text ?? '');
  if (!m) return '';
  return spanOf(Number(m[1] ?? 0) * day + Number(m[2] ?? 0) * hour + Number(m[3] ?? 0) * minute + Number(m[4] ?? 0) * 1000);
}

export type DueTone = 'none' | 'calm' | 'soon' | 'late';

// dueTone: amber when a quarter of the time allowed is left, red when it has passed.
export function dueTone(due: string | null | undefined, entered: string | undefined, now: number): DueTone {
  const end = parse(due)?.getTime();
  if (end === undefined) return 'none';
  if (now >= end) return 'late';
  const start = parse(entered)?.getTime() ?? end - day;
  return end - now <= (end - start) / 4 ? 'soon' : 'calm';
}

let now = Date.now();
const watchers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
const watch = (w: () => void) => {
  watchers.add(w);
  timer ??= setInterval(() => {
    now = Date.now();
    watchers.forEach((f) => f());
  }, 15_000);
  return () => {
    watchers.delete(w);
    if (!watchers.size) {
      clearInterval(timer);
      timer = undefined;
    }
  };
};

// useNow is one clock for the whole page, turning every 15 seconds.
export const useNow = () => useSyncExternalStore(watch, () => now, () => now);

// localInput is a moment as <input type="datetime-local"> wants it; fromInput adds the zone again.
export function localInput(d = new Date(), withTime = true): string {
  const p = (n: number) => String(n).padStart(2, '0');
  const date = `${d.getFullYear()}-${p(d.getMonth() + 1)}-${p(d.getDate())}`;
  return withTime ? `${date}T${p(d.getHours())}:${p(d.getMinutes())}` : date;
}
export function fromInput(text: string): string {
  if (!text.includes('T')) return text;
  const d = new Date(text);
  const off = -d.getTimezoneOffset();
  const p = (n: number) => String(Math.abs(n)).padStart(2, '0');
  return `${localInput(d)}:00${off < 0 ? '-' : '+'}${p(Math.trunc(off / 60))}:${p(off % 60)}`;
}

export function clockOf(at?: string | null): string {
  const d = parse(at);
  return d ? format('clock', { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(d) : '';
}
