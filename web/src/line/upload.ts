import { call, get, post, Refusal } from '../fhir/client';

const part = 1 << 20; // bytes sent in one request
const tries = 6; // in a row, without one byte arriving

interface Upload { id: string; offset: number }
const begun = new WeakMap<File, Upload>();

// upload sends a file in parts: after a cut line, or when tried again, it goes on from what has arrived.
export async function upload(file: File, patient: string, onShare: (share: number) => void): Promise<string> {
  const known = begun.get(file);
  let at: Upload = known
    ? { ...known, ...(await patiently(() => get<Upload>(`/api/uploads/${known.id}`))) }
    : await patiently(async () => post<Upload>('/api/uploads', {
      patient, name: file.name, size: file.size, hash: await sha256(file), contentType: file.type || 'application/octet-stream',
    }));
  const id = at.id;
  begun.set(file, at);
  for (let failed = 0; at.offset < file.size;) {
    onShare(at.offset / file.size);
    try {
      const said = await call<{ offset?: number } | null>(`/api/uploads/${id}`, {
        method: 'PATCH', raw: file.slice(at.offset, at.offset + part),
        headers: { 'Upload-Offset': String(at.offset), 'Content-Type': 'application/offset+octet-stream' },
      });
      at = { id, offset: said?.offset ?? Math.min(file.size, at.offset + part) };
      failed = 0;
    } catch (e) {
      if (!passing(e) || ++failed >= tries) throw e;
      await wait(failed);
      at = { id, offset: (await patiently(() => get<Upload>(`/api/uploads/${id}`))).offset };
    }
  }
  onShare(1);
  const done = await patiently(() => post<{ reference: string }>(`/api/uploads/${id}/finish`));
  begun.delete(file);
  return done.reference;
}

const passing = (e: unknown) => e instanceof Refusal && (e.status === 0 || e.status >= 502);
const wait = (n: number) => new Promise((r) => setTimeout(r, Math.min(500 * 2 ** n, 15_000)));

async function patiently<T>(what: () => Promise<T>): Promise<T> {
  for (let n = 1; ; n++) {
    try {
      return await what();
    } catch (e) {
      if (!passing(e) || n >= tries) throw e;
      await wait(n);
    }
  }
}

// Outside https and localhost a browser hides its SHA-256; then the server computes it alone.
async function sha256(file: File): Promise<string | undefined> {
  if (!globalThis.crypto?.subtle) return undefined;
  const sum = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return Array.from(new Uint8Array(sum), (b) => b.toString(16).padStart(2, '0')).join('');
}
