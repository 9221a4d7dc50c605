import { Button, Input } from 'antd';
import { useState } from 'react';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { idOf } from '../fhir/client';
import { useIndicatorCases, useIndicators } from '../fhir/queries';
import type { Indicator, Line } from '../fhir/types';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { localInput } from '../words/time';
import { useName, useWords } from '../words/words';
import en from './en.json';
import { CaseTable } from './table';
import zh from './zh.json';

// valueOf writes a number as its unit wants it: a share as %, minutes and counts with at most one decimal.
export function valueOf(i: Pick<Indicator, 'value' | 'unit'>): string {
  if (i.value === null || i.value === undefined) return '–';
  if (i.unit === '%') return `${(i.value <= 1 ? i.value * 100 : i.value).toFixed(1)}%`;
  return `${Number.isInteger(i.value) ? i.value : i.value.toFixed(1)}`;
}

export default function Indicators({ line }: { line: Line }) {
  const t = useWords({ zh, en });
  const say = useName();
  const go = useNavigate();
  const [url, setUrl] = useSearchParams();
  const [dates] = useState(() => [localInput(new Date(Date.now() - 90 * 86_400_000), false), localInput(new Date(), false)] as const);
  const ask = { from: url.get('from') ?? dates[0], to: url.get('to') ?? dates[1], org: url.get('org') ?? '' };
  const code = url.get('code') ?? '';
  const list = useIndicators(line.slug, ask);
  const cases = useIndicatorCases(line.slug, code, ask);
  const set = (k: string, v: string) => setUrl((b) => {
    const n = new URLSearchParams(b);
    if (v) n.set(k, v);
    else n.delete(k);
    return n;
  }, { replace: true });
  const days = (n: number) => {
    setUrl((b) => {
      const next = new URLSearchParams(b);
      next.set('from', localInput(new Date(Date.now() - n * 86_400_000), false));
      next.set('to', localInput(new Date(), false));
      return next;
    }, { replace: true });
  };
  const rows = list.data ?? [];
  const word = (kind: string, v = '') => (t(`${kind}.${v}`) === `${kind}.${v}` ? v : t(`${kind}.${v}`));
  const chosen = rows.find((i) => i.code === code);
  return (
    <section className="sheet scroll" aria-label={t('numbers')}>
      <div className="sheet-head">
        <Link to={`/lines/${line.slug}`}>← {say(line.name)}</Link>
        <h1>{t('numbers')}</h1>
        <span className="grow" />
        <label htmlFor="from" className="quiet">{t('from')}</label>
        <Input id="from" size="small" type="date" value={ask.from} onChange={(e) => set('from', e.target.value)} style={{ width: 140 }} />
        <label htmlFor="until" className="quiet">{t('until')}</label>
        <Input id="until" size="small" type="date" value={ask.to} onChange={(e) => set('to', e.target.value)} style={{ width: 140 }} />
        {[7, 30, 90].map((n) => <Button key={n} size="small" onClick={() => days(n)}>{t('lastDays', { n })}</Button>)}
      </div>
      {list.error && !list.data ? <ErrorState error={list.error} onRetry={() => void list.refetch()} />
        : list.isLoading ? <Loading rows={8} />
        : rows.length === 0 ? <EmptyState title={t('noNumbers')} hint={t('noNumbersHint')} />
        : (
          <table className="plain numbers" aria-label={t('numbers')}>
            <thead>
              <tr>
                <th scope="col">{t('indicator')}</th><th scope="col" className="right">{t('value')}</th><th scope="col" className="right">{t('fraction')}</th>
                <th scope="col" className="right">{t('completeShare')}</th><th scope="col">{t('source')}</th><th scope="col"><span className="sr">{t('drill')}</span></th>
              </tr>
            </thead>
            <tbody>
              {rows.map((i) => (
                <tr key={i.code} className={i.code === code ? 'row-at' : ''}>
                  <td>
                    <b>{say(i.name)}</b> {i.direction && i.direction !== 'watch' && <span className="quiet small">{t(`direction.${i.direction}`)}</span>}
                    <div className="quiet small">{say(i.definition)}</div>
                  </td>
                  <td className="right big num">{valueOf(i)}{i.unit && i.unit !== '%' && <span className="quiet small"> {word('unit', i.unit)}</span>}</td>
                  <td className="right num quiet">{i.numerator ?? '–'} / {i.denominator ?? '–'}</td>
                  <td className="right num quiet">{i.complete === null || i.complete === undefined ? '–' : `${(i.complete * 100).toFixed(0)}%`}</td>
                  <td className="quiet small">{word('source', i.source)}{i.version ? ` · v${i.version}` : ''}</td>
                  <td className="right"><Button size="small" aria-expanded={i.code === code} aria-label={`${t('drill')}: ${say(i.name)}`} onClick={() => set('code', i.code === code ? '' : i.code)}>{t('drill')}</Button></td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      {chosen && (
        <div className="drill">
          <h2>{t('casesOf', { name: say(chosen.name) })}</h2>
          {cases.error ? <ErrorState error={cases.error} compact onRetry={() => void cases.refetch()} />
            : cases.isLoading ? <Loading rows={6} />
            : (cases.data?.rows ?? []).length === 0 ? <EmptyState title={t('noCases')} hint={t('noCasesHint')} />
            : <CaseTable label={t('casesOf', { name: say(chosen.name) })} rows={cases.data?.rows ?? []} keys={false} page={code}
                onOpen={(r) => go(`/lines/${line.slug}/cases/${idOf(r.task)}`)} />}
        </div>
      )}
    </section>
  );
}
