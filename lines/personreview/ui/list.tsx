import BarChartOutlined from '@ant-design/icons/es/icons/BarChartOutlined';
import { Button, Modal } from 'antd';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { Link, useNavigate, useParams, useSearchParams } from 'react-router';
import { idOf } from '../../../web/src/fhir/client';
import type { Line } from '../../../web/src/fhir/types';
import { Due, StateMark } from '../../../web/src/line/marks';
import { ageOf, useSex } from '../../../web/src/patient/sex';
import { typing } from '../../../web/src/shell/search';
import { EmptyState, ErrorState, Loading } from '../../../web/src/states/states';
import { useLang, useName, useWords } from '../../../web/src/words/words';
import { usePairs, type PairRow, type Side } from './data';
import en from './en.json';
import { PairView } from './pair';
import zh from './zh.json';

const views = ['mine', 'in', 'out', 'late', 'closed'];

// The address carries view and open pair, so that a link or "back" shows the same desk.
export function Desk({ line }: { line: Line }) {
  const t = useWords({ zh, en });
  const say = useName();
  const go = useNavigate();
  const { id } = useParams();
  const [url, setUrl] = useSearchParams();
  const view = url.get('view') ?? 'mine';
  const list = usePairs(view);
  const rows = useMemo(() => list.data?.pages.flatMap((p) => p.rows ?? []) ?? [], [list.data]);
  const counts = list.data?.pages[0]?.counts ?? {};
  const at = id ?? url.get('case') ?? '';
  const [help, setHelp] = useState(false);
  const body = useRef<HTMLUListElement>(null);

  const show = useCallback((values: Record<string, string>) => {
    const next = new URLSearchParams(url);
    for (const [k, v] of Object.entries(values)) if (v) next.set(k, v);
      else next.delete(k);
    if (id) go({ pathname: `/lines/${line.slug}`, search: next.toString() }, { replace: true });
    else setUrl(next, { replace: true });
  }, [url, setUrl, id, go, line.slug]);
  const open = useCallback((task: string) => show({ case: idOf(task) }), [show]);
  const after = useCallback((task: string) => {
    const i = rows.findIndex((r) => r.task === task);
    const next = rows[i + 1] ?? rows[i - 1];
    show({ case: next && next.task !== task ? idOf(next.task) : '' });
  }, [rows, show]);

  useEffect(() => {
    const press = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || e.altKey || typing(e.target) || document.querySelector('.ant-modal-wrap:not([style*="display: none"])')) return;
      const i = rows.findIndex((r) => idOf(r.task) === at);
      const next = e.key === 'j' ? rows[i + 1] ?? (i < 0 ? rows[0] : undefined) : e.key === 'k' ? rows[i - 1] : undefined;
      if (next) open(next.task);
      else if (e.key === '?') setHelp(true);
      else if (e.key === 'Escape' && at && !document.querySelector('.decide')) show({ case: '' });
      else return;
      e.preventDefault();
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, [rows, at, open, show]);
  useEffect(() => {
    body.current?.querySelector('[aria-current="true"]')?.scrollIntoView?.({ block: 'nearest' });
  }, [at]);

  return (
    <section className={['pairs', at ? 'pairs-open' : rows.length === 0 ? 'pairs-alone' : ''].join(' ')} aria-label={say(line.name)}>
      <div className="sheet pairs-list">
        <div className="sheet-head">
          <h1>{say(line.name)}</h1>
          <span className="grow" />
          <Link to={`/lines/${line.slug}/indicators`}><BarChartOutlined aria-hidden /> {t('numbers')}</Link>
          <Button size="small" type="text" className="not-phone" onClick={() => setHelp(true)} aria-label={t('keys')}><kbd>?</kbd></Button>
        </div>
        <div className="views pairs-views" role="group" aria-label={t('views')}>
          {views.map((v) => (
            <button key={v} type="button" aria-pressed={v === view} className={v === view ? 'view view-at' : 'view'} onClick={() => show({ view: v === 'mine' ? '' : v, case: '' })}>
              {t(`view.${v}`)}{counts[v] !== undefined && <span className={v === 'late' && counts[v]! > 0 ? 'count count-late' : 'count count-plain'}>{counts[v]}</span>}
            </button>
          ))}
        </div>
        {list.error && !list.data ? <ErrorState error={list.error} onRetry={() => void list.refetch()} />
          : list.isLoading ? <Loading rows={16} />
          : rows.length === 0 ? <EmptyState title={t(`empty.${view}`)} hint={t('emptyHint')} />
          : (
            <>
              <ul className="bare pairs-rows" ref={body} aria-label={t('pairs')} tabIndex={0}>
                {rows.map((r) => <Row key={r.task} row={r} here={idOf(r.task) === at} onOpen={() => open(r.task)} />)}
              </ul>
              {list.hasNextPage && <div className="more"><Button size="small" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('more')}</Button></div>}
            </>
          )}
      </div>
      {at ? <PairView key={at} id={at} onDone={() => after(`Task/${at}`)} onClose={() => show({ case: '' })} />
        : rows.length > 0 && <div className="sheet pairs-none"><EmptyState title={t('choose')} hint={t('chooseHint')} /></div>}
      {help && <Keys onClose={() => setHelp(false)} />}
    </section>
  );
}

function Row({ row: r, here, onOpen }: { row: PairRow; here: boolean; onOpen: () => void }) {
  const t = useWords({ zh, en });
  return (
    <li className={['pairs-row', here ? 'row-at' : '', r.stateKind !== 'open' ? 'row-over' : ''].join(' ')} aria-current={here ? 'true' : undefined}>
      <button type="button" className="pairs-button" onClick={onOpen}>
        {r.flow === 'undo' ? <span className="pairs-who">{t('undone')}</span> : (
          <span className="pairs-who"><Who side={r.left} /> <span className="quiet" aria-label={t('and')} role="img">⇄</span> <Who side={r.right} /></span>
        )}
        <span className="pairs-facts small quiet">
          {r.flow !== 'undo' && <span className="num" title={t('probability')}>{percent(r.probability)}</span>}
          {r.bar ? <b className="soon-word">{bar(t, r.bar)}</b> : r.why && r.why !== 'possible' && <b className="soon-word">{t(`why.${r.why}`)}</b>}
          <span className="pairs-orgs">{(r.hospitals ?? []).map((h) => h.display).join(' · ') || r.what}</span>
        </span>
        <span className="pairs-facts small">
          <StateMark name={r.stateName} kind={r.stateKind} late={r.late} />
          <Due due={r.due} entered={r.opened} kind={r.stateKind} />
          {r.claimedBy && <span className="quiet">{t('claimed', { who: r.claimedBy })}</span>}
        </span>
      </button>
    </li>
  );
}

function Who({ side: s }: { side: Side | null }) {
  const t = useWords({ zh, en });
  const lang = useLang();
  const sex = useSex();
  if (!s || s.hidden) return <span className="quiet">{t('hidden')}</span>;
  return <span><b>{s.name}</b> <span className="quiet small">{sex(s.sex)} {ageOf(s.age, s.birthDate, lang)}</span></span>;
}

export const percent = (p: number) => (p > 0.995 ? '>99 %' : p < 0.005 && p > 0 ? '<1 %' : `${Math.round(p * 100)} %`);

// bar says why two records are not joined without asking; a rule that the page does not know keeps its code's words.
export const bar = (t: (k: string) => string, code: string) => (t(`bar.${code}`) === `bar.${code}` ? t('bar') : t(`bar.${code}`));

function Keys({ onClose }: { onClose: () => void }) {
  const t = useWords({ zh, en });
  const keys: [string, string][] = [['J  K', 'key.move'], ['A', 'key.accept'], ['R', 'key.reject'], ['Q', 'key.ask'], ['1 … 9', 'key.reason'], ['Enter', 'key.confirm'], ['Esc', 'key.close']];
  return (
    <Modal open title={t('keys')} onCancel={onClose} footer={null} width={360}>
      <dl className="keys">{keys.map(([k, w]) => <div key={k}><dt><kbd>{k}</kbd></dt><dd>{t(w)}</dd></div>)}</dl>
    </Modal>
  );
}
