import BarChartOutlined from '@ant-design/icons/es/icons/BarChartOutlined';
import PlusOutlined from '@ant-design/icons/es/icons/PlusOutlined';
import { Button, Input, Modal, Select } from 'antd';
import { useCallback, useEffect, useMemo, useState, type ReactNode } from 'react';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { idOf } from '../fhir/client';
import { useWorklist } from '../fhir/queries';
import type { Case, Line, Row } from '../fhir/types';
import { typing } from '../shell/search';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { useName, useWords } from '../words/words';
import { CaseView } from './case';
import en from './en.json';
import { CaseTable } from './table';
import zh from './zh.json';

// The address carries view, filters and the open case, so that a link or "back" shows the same desk.
export function Worklist({ line, canCompose, aside }: { line: Line; canCompose: boolean; aside?: (c: Case) => ReactNode }) {
  const t = useWords({ zh, en });
  const say = useName();
  const what = line.slug === 'referral' ? t('referrals') : say(line.name);
  const go = useNavigate();
  const [url, setUrl] = useSearchParams();
  const views = line.views?.length ? line.views : ['mine', 'in', 'out', 'late', 'closed'].map((code) => ({ code, name: undefined }));
  const view = url.get('view') ?? views[0]?.code ?? 'mine';
  const ask = { view, flow: url.get('flow') ?? '', state: url.get('state') ?? '', urgency: url.get('urgency') ?? '', q: url.get('q') ?? '' };
  const list = useWorklist(line.slug, ask);
  const rows = useMemo(() => list.data?.pages.flatMap((p) => p.rows ?? []) ?? [], [list.data]);
  const counts = list.data?.pages[0]?.counts ?? {};
  const total = list.data?.pages[0]?.total ?? 0;
  const open = url.get('case') ?? '';
  const [at, setAt] = useState<string>();
  const [help, setHelp] = useState(false);

  const set = useCallback((values: Record<string, string>, replace = true) => {
    setUrl((before) => {
      const next = new URLSearchParams(before);
      for (const [k, v] of Object.entries(values)) if (v) next.set(k, v);
        else next.delete(k);
      return next;
    }, { replace });
  }, [setUrl]);

  const openRow = useCallback((r: Row) => {
    setAt(r.task);
    if (window.innerWidth < 900) go(`/lines/${line.slug}/cases/${idOf(r.task)}`);
    else set({ case: idOf(r.task) });
  }, [go, line.slug, set]);
  const moveTo = useCallback((r: Row) => {
    setAt(r.task);
    if (open) set({ case: idOf(r.task) });
  }, [open, set]);
  const close = useCallback(() => set({ case: '' }), [set]);

  useEffect(() => {
    const esc = (e: KeyboardEvent) => {
      if (e.key !== 'Escape' || typing(e.target) || document.querySelector('.ant-modal-wrap, .ant-dropdown:not(.ant-dropdown-hidden)')) return;
      if (open) close();
    };
    window.addEventListener('keydown', esc);
    return () => window.removeEventListener('keydown', esc);
  }, [open, close]);

  const states = (line.flows ?? []).filter((f) => !ask.flow || f.code === ask.flow).flatMap((f) => f.states ?? []);
  const uniqueStates = [...new Map(states.map((s) => [s.code, s])).values()];
  const filtered = !!(ask.flow || ask.state || ask.urgency || ask.q);
  const viewName = (code: string, n?: { zh: string; en?: string }) => say(n) || t(`view.${code}`);

  return (
    <section className={open ? 'desk desk-open' : 'desk'} aria-label={say(line.name)}>
      <div className="sheet desk-list">
        <div className="sheet-head">
          <h1>{say(line.name)}</h1>
          <div className="views" role="tablist" aria-label={t('views')}>
            {views.map((v) => (
              <button key={v.code} type="button" role="tab" aria-selected={v.code === view} className={v.code === view ? 'view view-at' : 'view'}
                onClick={() => set({ view: v.code, case: '', state: '' })}>
                {viewName(v.code, v.name)}
                {counts[v.code] !== undefined && (
                  <span className={v.code === 'late' && counts[v.code]! > 0 ? 'count count-late' : 'count count-plain'}>{counts[v.code]}</span>
                )}
              </button>
            ))}
          </div>
          <span className="grow" />
          <Link className="only-wide" to={`/lines/${line.slug}/indicators`}><BarChartOutlined aria-hidden /> {t('numbers')}</Link>
          {canCompose && <Button type="primary" icon={<PlusOutlined aria-hidden />} onClick={() => go(`/lines/${line.slug}/new`)}>{say(line.start?.[0]?.do) || t('compose')}</Button>}
        </div>
        <div className="filters">
          <Input.Search key={ask.q} size="small" allowClear defaultValue={ask.q} placeholder={t('filterText')} aria-label={t('filterText')}
            onSearch={(q) => set({ q: q.trim() })} style={{ width: 190 }} />
          {(line.flows?.length ?? 0) > 1 && (
            <Select size="small" aria-label={t('flow')} value={ask.flow || undefined} allowClear placeholder={t('flow')} style={{ minWidth: 110 }}
              onChange={(v?: string) => set({ flow: v ?? '', state: '' })}
              options={line.flows.map((f) => ({ value: f.code, label: say(f.name) }))} />
          )}
          <Select size="small" aria-label={t('urgency')} value={ask.urgency || undefined} allowClear placeholder={t('urgency')} style={{ minWidth: 96 }}
            onChange={(v?: string) => set({ urgency: v ?? '' })}
            options={['emergency', 'urgent', 'routine'].map((u) => ({ value: u, label: t(`urgency.${u}`) }))} />
          <Select size="small" aria-label={t('state')} value={ask.state || undefined} allowClear placeholder={t('state')} style={{ minWidth: 110 }}
            onChange={(v?: string) => set({ state: v ?? '' })} options={uniqueStates.map((s) => ({ value: s.code, label: say(s.name) }))} />
          {filtered && <Button size="small" type="link" onClick={() => set({ flow: '', state: '', urgency: '', q: '' })}>{t('clear')}</Button>}
          <span className="grow" />
          <span className="quiet small num total">{list.data ? t('total', { n: total }) : ''}</span>
          <Button size="small" type="text" className="not-phone" onClick={() => setHelp(true)} aria-label={t('keys')}><kbd>?</kbd></Button>
        </div>
        {list.error && !list.data ? <ErrorState error={list.error} onRetry={() => void list.refetch()} />
          : list.isLoading ? <Loading rows={18} />
          : rows.length === 0 ? (
            <EmptyState title={filtered ? t('emptyFiltered', { what }) : t(`empty.${view}`) === `empty.${view}` ? t('empty', { what }) : t(`empty.${view}`, { what })}
              hint={filtered ? t('emptyFilteredHint') : t('emptyHint', { what })}>
              {filtered ? <Button onClick={() => set({ flow: '', state: '', urgency: '', q: '' })}>{t('clear')}</Button>
                : canCompose && <Button onClick={() => go(`/lines/${line.slug}/new`)}>{say(line.start?.[0]?.do) || t('compose')}</Button>}
            </EmptyState>
          ) : (
            <>
              <CaseTable label={say(line.name)} rows={rows} at={open ? `Task/${open}` : at} page={JSON.stringify(ask)} compact={!!open}
                onMove={moveTo} onOpen={openRow} onHelp={() => setHelp(true)} />
              {list.hasNextPage && (
                <div className="more"><Button size="small" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('more')}</Button></div>
              )}
            </>
          )}
      </div>
      {open && (
        <aside className="sheet desk-case" aria-label={t('case')}>
          <CaseView key={open} line={line} id={open} onClose={close} aside={aside} />
        </aside>
      )}
      {help && <Keys onClose={() => setHelp(false)} />}
    </section>
  );
}

function Keys({ onClose }: { onClose: () => void }) {
  const t = useWords({ zh, en });
  const keys: [string, string][] = [['j  k', 'key.move'], ['Enter', 'key.open'], ['Esc', 'key.close'], ['/', 'key.search'], ['?', 'key.help']];
  return (
    <Modal open title={t('keys')} onCancel={onClose} footer={null} width={360}>
      <dl className="keys">
        {keys.map(([k, w]) => (
          <div key={k}><dt><kbd>{k}</kbd></dt><dd>{t(w)}</dd></div>
        ))}
      </dl>
    </Modal>
  );
}
