import { lazy, Suspense, useMemo, type ComponentType } from 'react';
import { useParams } from 'react-router';
import { useLines } from '../fhir/queries';
import type { Line } from '../fhir/types';
import { EmptyState, ErrorState, Fence, Loading } from '../states/states';
import { useWords } from '../words/words';
import en from './en.json';
import { LinePage } from './page';
import zh from './zh.json';

// A line's own page is lines/<slug>/ui/page.tsx; a line without one gets the generic page.
const own = import.meta.glob<{ default: ComponentType<{ line: Line }> }>('../../../lines/*/ui/page.tsx');

export default function LineRoute() {
  const t = useWords({ zh, en });
  const { slug = '' } = useParams();
  const lines = useLines();
  const Own = useMemo(() => {
    const load = own[`../../../lines/${slug}/ui/page.tsx`];
    return load ? lazy(load) : null;
  }, [slug]);
  if (lines.error && !lines.data) return <ErrorState error={lines.error} onRetry={() => void lines.refetch()} />;
  if (!lines.data) return <Loading rows={18} />;
  const line = lines.data.find((l) => l.slug === slug);
  if (!line) return <EmptyState title={t('noLine')} hint={t('noLineHint')} />;
  return (
    <Fence name={slug}>
      <Suspense fallback={<Loading rows={18} />}>{Own ? <Own line={line} /> : <LinePage line={line} />}</Suspense>
    </Fence>
  );
}
