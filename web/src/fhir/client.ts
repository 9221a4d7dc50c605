import type { Lang, Me } from './types';

// Refusal is a server's no: a stable code, a sentence for the person, and a number to quote.
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    text: string,
    readonly number = '',
    readonly issues: { text: string; at: string }[] = [],
    readonly retryAfter = 0,
  ) {
    super(text);
    this.name = 'Refusal';
  }
}

let csrf = '';
let lang: Lang = 'zh';

let touched = Date.now();
if (typeof addEventListener === 'function')
  for (const kind of ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart'])
    addEventListener(kind, () => { touched = Date.now(); }, { capture: true, passive: true });

export function speakAs(me: Pick<Me, 'csrf'> | null) {
  csrf = me?.csrf ?? '';
}
export function askIn(language: Lang) {
  lang = language;
}

interface Call { method?: string; body?: unknown; headers?: Record<string, string>; signal?: AbortSignal; raw?: BodyInit }

// onProof is told when the server wants to see again who somebody is; the answer says whether he has shown it.
let prove: (() => Promise<boolean>) | null = null;
export function onProof(asks: () => Promise<boolean>) {
  prove = asks;
  return () => {
    if (prove === asks) prove = null;
  };
}

export async function call<T>(path: string, ask: Call = {}): Promise<T> {
  try {
    return await once<T>(path, ask);
  } catch (e) {
    if (!(e instanceof Refusal) || e.code !== 'step-up-required' || !prove || !(await prove())) throw e;
    return once<T>(path, ask);
  }
}

async function once<T>(path: string, { method = 'GET', body, headers = {}, signal, raw }: Call): Promise<T> {
  const fhir = path.startsWith('/fhir');
  const send: Record<string, string> = { Accept: fhir ? 'application/fhir+json' : 'application/json', 'Accept-Language': lang === 'zh' ? 'zh-CN' : 'en', ...headers };
  if (method !== 'GET') send['X-CSRF-Token'] = csrf;
  else if (Date.now() - touched > 60_000) send['X-Background'] = '1'; // the page asks by itself: the session may fall asleep
  if (body !== undefined) send['Content-Type'] ??= fhir ? 'application/fhir+json' : 'application/json';
  let answer: Response;
  try {
    answer = await fetch(path, {
      method, signal, headers: send, credentials: 'same-origin',
      body: raw ?? (body === undefined ? undefined : JSON.stringify(body)),
    });
  } catch (cause) {
    if ((cause as Error).name === 'AbortError') throw cause;
    throw new Refusal(0, 'offline', '');
  }
  csrf = answer.headers.get('X-CSRF-Token') ?? csrf; // a changed password begins a new session
  const json = parse(await answer.text());
  if (!answer.ok) throw refusal(answer, json);
  return json as T;
}

function parse(text: string): unknown {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

interface Issue {
  code?: string;
  details?: { text?: string; coding?: { code?: string }[] };
  diagnostics?: string;
  expression?: string[];
}

function refusal(answer: Response, json: unknown): Refusal {
  const issues = ((json as { issue?: Issue[] } | null)?.issue ?? []) as Issue[];
  const first = issues[0];
  const said = first?.diagnostics ?? '';
  const number = answer.headers.get('X-Request-Id') ?? said.split(/\s+/).at(-1) ?? '';
  return new Refusal(
    answer.status,
    first?.details?.coding?.[0]?.code ?? first?.code ?? `http-${answer.status}`,
    first?.details?.text ?? '',
    number,
    issues.map((i) => ({ text: i.details?.text ?? i.diagnostics ?? '', at: i.expression?.[0] ?? '' })),
    Number(answer.headers.get('Retry-After') ?? 0),
  );
}

export const get = <T>(path: string, signal?: AbortSignal) => call<T>(path, { signal });
export const post = <T>(path: string, body?: unknown, headers?: Record<string, string>) =>
  call<T>(path, { method: 'POST', body: body ?? {}, headers });
export const patch = <T>(path: string, body: unknown) => call<T>(path, { method: 'PATCH', body });

export function query(values: Record<string, string | number | undefined | null>): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(values)) if (v !== undefined && v !== null && v !== '') q.set(k, String(v));
  const s = q.toString();
  return s ? `?${s}` : '';
}

export const idOf = (reference = '') => reference.split('/').at(-1) ?? '';

// newKey names one intention, so that a repeated click or a resent request changes nothing twice.
export function newKey(): string {
  return globalThis.crypto?.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`;
}
