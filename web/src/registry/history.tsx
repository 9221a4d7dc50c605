import { useQuery } from '@tanstack/react-query';
import { get } from '../fhir/client';
import { ErrorState, Loading } from '../states/states';
import { timeOf } from '../words/time';
import { useWords } from '../words/words';
import type { Resource } from './data';
import en from './en.json';
import zh from './zh.json';

interface Bundle { entry?: { resource?: Resource; request?: { method?: string } }[] }

// flat lists every value of a resource under its place.
export function flat(value: unknown, at = '', into: Map<string, string> = new Map()): Map<string, string> {
  if (value && typeof value === 'object')
    for (const [k, v] of Object.entries(value)) {
      if (!at && (k === 'meta' || k === 'id' || k === 'resourceType' || k === 'text')) continue;
      flat(v, at ? `${at}${Array.isArray(value) ? `[${k}]` : `.${k}`}` : k, into);
    }
  else if (value !== undefined && value !== null) into.set(at, String(value));
  return into;
}

export function changes(before: unknown, after: unknown): { at: string; was: string; is: string }[] {
  const a = flat(before ?? {}), b = flat(after ?? {});
  const out: { at: string; was: string; is: string }[] = [];
  for (const at of new Set([...a.keys(), ...b.keys()])) {
    const was = a.get(at) ?? '', is = b.get(at) ?? '';
    if (was !== is && !/\.(system|url)$/.test(at)) out.push({ at, was, is });
  }
  return out;
}

// History shows each version with what it changed.
export default function History({ reference }: { reference: string }) {
  const t = useWords({ zh, en });
  const all = useQuery({ queryKey: ['history', reference], queryFn: () => get<Bundle>(`/fhir/${reference}/_history?_count=50`), enabled: !!reference });
  if (all.error) return <ErrorState compact error={all.error} onRetry={() => void all.refetch()} />;
  if (!all.data) return <Loading rows={4} />;
  const list = all.data.entry ?? [];
  return (
    <ol className="bare versions" aria-label={t('history')}>
      {list.map((e, i) => {
        const what = changes(list[i + 1]?.resource, e.resource);
        const first = i === list.length - 1 && e.resource?.meta?.versionId === '1';
        return (
          <li key={e.resource?.meta?.versionId ?? i}>
            <div><b className="num">{timeOf(e.resource?.meta?.lastUpdated)}</b> <span className="quiet">{t('version', { n: e.resource?.meta?.versionId ?? '' })}{e.request?.method === 'DELETE' ? ` · ${t('deleted')}` : ''}</span></div>
            {first ? <span className="quiet">{t('made')}</span> : (
              <ul className="bare small">{what.slice(0, 8).map((c) => (
                <li key={c.at}><code>{c.at}</code> {c.was && <del>{c.was}</del>} {c.is && <ins>{c.is}</ins>}</li>
              ))}{what.length > 8 && <li className="quiet">{t('andMore', { n: what.length - 8 })}</li>}</ul>
            )}
          </li>
        );
      })}
    </ol>
  );
}
