import { Button } from 'antd';
import { useNavigate, useParams, useSearchParams } from 'react-router';
import { Launcher } from '../apps/launcher';
import { useLines, usePatient } from '../fhir/queries';
import type { Line, TimelineItem, TimelineKind } from '../fhir/types';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { dateOf } from '../words/time';
import { useName, useWords } from '../words/words';
import { BannerView } from './banner';
import { Linked } from './person';
import { Withheld } from './reasons';
import en from './en.json';
import zh from './zh.json';

const kinds: TimelineKind[] = ['encounter', 'condition', 'result', 'medication', 'procedure', 'document', 'referral'];

export default function PatientPage() {
  const t = useWords({ zh, en });
  const say = useName();
  const go = useNavigate();
  const { id = '' } = useParams();
  const [url, setUrl] = useSearchParams();
  const kind = url.get('kind') ?? '';
  const focus = url.get('focus') ?? '';
  const reference = `Patient/${id}`;
  const alone = url.get('person') === 'false';
  const page = usePatient(reference, kind, alone);
  const lines = useLines();
  // a way to begin is called by its own word; of several the first, and more
  const begin = (l: Line) => {
    const starts = (l.start ?? []).filter((s) => (s.about ?? 'patient') === 'patient');
    const word = l.slug === 'referral' ? '' : say(starts[0]?.do);
    return word ? word + (starts.length > 1 ? ' …' : '') : t('start', { line: say(l.name) });
  };
  const composing = (lines.data ?? []).filter((l) => l.start?.some((s) => (s.about ?? 'patient') === 'patient'));
  if (page.error && !page.data) return <section className="sheet"><ErrorState error={page.error} onRetry={() => void page.refetch()} /></section>;
  const banner = page.data?.pages[0]?.banner;
  const records = page.data?.pages[0]?.records ?? [];
  const left = page.data?.pages[0]?.left ?? 0;
  const items = page.data?.pages.flatMap((p) => p.timeline ?? []) ?? [];
  return (
    <section className="sheet patient" aria-label={banner?.name ?? t('banner')}>
      {banner ? <BannerView banner={banner} reference={reference} link={false} /> : <Loading rows={2} />}
      <div className="sheet-head">
        <div className="views" role="group" aria-label={t('filter')}>
          {['', ...kinds].map((k) => (
            <button key={k} type="button" aria-pressed={k === kind} className={k === kind ? 'view view-at' : 'view'}
              onClick={() => setUrl({ ...(k && { kind: k }), ...(alone && { person: 'false' }) }, { replace: true })}>{t(`kind.${k || 'all'}`)}</button>
          ))}
        </div>
        {(alone || records.length > 1) && (
          <Button size="small" aria-pressed={alone} onClick={() => setUrl({ ...(kind && { kind }), ...(!alone && { person: 'false' }) }, { replace: true })}>{t(alone ? 'allRecords' : 'thisRecord')}</Button>
        )}
        <span className="grow" />
        <Launcher patient={reference} />
        {composing.map((l, i) => (
          <Button key={l.slug} type={i === 0 ? 'primary' : 'default'} onClick={() => go(`/lines/${l.slug}/new?patient=${id}`)}>{begin(l)}</Button>
        ))}
      </div>
      {left > 0 && <p className="pad late-word" role="note">{t('left', { n: records.length, left })}</p>}
      {banner && <Linked patient={reference} />}
      {banner && <Withheld patient={reference} />}
      {page.isLoading ? <Loading rows={12} />
        : items.length === 0 ? <EmptyState title={kind ? t('emptyKind', { kind: t(`kind.${kind}`) }) : t('empty')} hint={t('emptyHint')} />
        : (
          <>
            <ol className="bare timeline">
              {items.map((i, n) => <Item key={i.reference + n} item={i} newDay={n === 0 || dateOf(items[n - 1]?.at) !== dateOf(i.at)} lit={i.reference === focus}
                from={i.record && i.record !== reference ? records.find((r) => r.reference === i.record)?.custodian.display ?? t('other') : ''} />)}
            </ol>
            {page.hasNextPage && <div className="more"><Button size="small" loading={page.isFetchingNextPage} onClick={() => void page.fetchNextPage()}>{t('more')}</Button></div>}
          </>
        )}
    </section>
  );
}

function Item({ item: i, newDay, lit, from }: { item: TimelineItem; newDay: boolean; lit: boolean; from: string }) {
  const t = useWords({ zh, en });
  const go = useNavigate();
  const org = typeof i.org === 'string' ? i.org : i.org?.display;
  const target = i.kind === 'referral' && i.reference.startsWith('Task/') ? `/lines/${i.line ?? 'referral'}/cases/${i.reference.slice(5)}` : '';
  return (
    <li className={['event', i.abnormal ? 'event-abnormal' : '', lit ? 'event-lit' : ''].join(' ')} id={i.reference}>
      <span className="event-day num">{newDay ? dateOf(i.at) : ''}</span>
      <span className="kind">{t(`kind.${i.kind}`)}</span>
      <span className="event-what">
        {target ? <button type="button" className="row-open" onClick={() => go(target)}>{i.title}</button> : <b>{i.title}</b>}
        {i.abnormal && <b className="late-word"> {/偏高|↑|high/i.test(i.detail ?? '') ? '↑ ' : /偏低|↓|low/i.test(i.detail ?? '') ? '↓ ' : ''}{t('abnormal')}</b>}
        {i.detail && <span className="quiet"> {i.detail}</span>}
        {from && <span className="kind from-record">{t('fromRecord', { org: from })}</span>}
      </span>
      <span className="quiet event-org">{org}</span>
      <span className="quiet small num event-until">{i.until && dateOf(i.until) !== dateOf(i.at) ? t('until', { t: dateOf(i.until) }) : ''}</span>
    </li>
  );
}
