import { call, post, Refusal } from '../fhir/client';

const part = 1 << 20; // bytes sent in one request
const tries = 6;

// upload sends a file in parts: a cut line goes on from the last part that arrived.
export async function upload(file: File, patient: string, onShare: (share: number) => void): Promise<string> {
  const hash = await sha256(file);
  const begin = { patient, name: file.name, size: file.size, hash, contentType: file.type || 'application/octet-stream' };
  let { id, offset } = await retry(() => post<{ id: string; offset: number }>('/api/uploads', begin));
  while (offset < file.size) {
    onShare(offset / file.size);
    const from = offset;
    const said = await retry(() => call<{ offset?: number } | null>(`/api/uploads/${id}`, {
      method: 'PATCH', raw: file.slice(from, from + part), headers: { 'Upload-Offset': String(from), 'Content-Type': 'application/offset+octet-stream' },
    }), async () => {
      ({ id, offset } = await post<{ id: string; offset: number }>('/api/uploads', begin));
    });
    offset = said?.offset ?? Math.min(file.size, from + part);
  }
  onShare(1);
  const done = await retry(() => post<{ reference: string }>(`/api/uploads/${id}/finish`));
  return done.reference;
}

async function retry<T>(what: () => Promise<T>, again?: () => Promise<void>): Promise<T> {
  for (let n = 1; ; n++) {
    try {
      return await what();
    } catch (e) {
      const passing = e instanceof Refusal && (e.status === 0 || e.status >= 502);
      if (!passing || n >= tries) throw e;
      await new Promise((r) => setTimeout(r, Math.min(500 * 2 ** n, 15_000)));
      await again?.().catch(() => undefined);
    }
  }
}

// Outside https and localhost a browser hides its SHA-256; then the server computes it alone.
async function sha256(file: File): Promise<string | undefined> {
  if (!globalThis.crypto?.subtle) return undefined;
  const sum = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return Array.from(new Uint8Array(sum), (b) => b.toString(16).padStart(2, '0')).join('');
}
