import { useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { idOf } from '../fhir/client';
import { useLines, useWork } from '../fhir/queries';
import type { Row } from '../fhir/types';
import { CaseTable } from '../line/table';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { useWords } from '../words/words';
import en from './en.json';
import { useWho } from './who';
import zh from './zh.json';

// lineOf finds whose row it is: by its own word, or by the flow and state that only one line has.
export function lineOf(row: Row, lines: { slug: string; flows: { code: string; states: { code: string }[] }[] }[]) {
  if (row.line) return row.line;
  const fits = lines.find((l) => l.flows?.some((f) => f.code === row.flow && f.states?.some((s) => s.code === row.state)));
  return fits?.slug ?? lines[0]?.slug ?? 'referral';
}

export default function Work() {
  const t = useWords({ zh, en });
  const go = useNavigate();
  const work = useWork();
  const lines = useLines();
  const role = useWho()?.role.role ?? '';
  const desk = role === 'administrator' || role === 'auditor' ? `.${role}` : '';
  const [at, setAt] = useState<string>();
  const rows = work.data?.rows ?? [];
  const late = rows.filter((r) => r.late).length;
  const total = Math.max(work.data?.total ?? 0, rows.length);
  return (
    <section className="sheet" aria-label={t('work')}>
      <div className="sheet-head">
        <h1>{t('work')}</h1>
        <span className="quiet">
          {work.data ? t('waiting', { n: total }) : ''}{late > 0 && <b className="late-word"> · {t('lateN', { n: late })}</b>}
        </span>
        <span className="grow" />
        <span className="quiet small not-phone">{t('workSub')}</span>
      </div>
      {work.error && !work.data ? <ErrorState error={work.error} onRetry={() => void work.refetch()} />
        : work.isLoading ? <Loading rows={18} />
        : rows.length === 0 ? (
          <EmptyState title={t('workEmpty')} hint={t(`workEmptyHint${desk}`)}>
            {desk === '.administrator' && <p><Link to="/admin/people?show=ending">{t('endingSoon')}</Link> · <Link to="/admin/import">{t('importRegister')}</Link> · <Link to="/admin/users">{t('users')}</Link></p>}
            {desk === '.auditor' && <p><Link to="/audit">{t('audit')}</Link> · <Link to="/audit?marked=1">{t('auditMarked')}</Link></p>}
          </EmptyState>
        )
        : <CaseTable label={t('work')} rows={rows} at={at} onMove={(r) => setAt(r.task)}
            onOpen={(r) => {
              const slug = lineOf(r, lines.data ?? []);
              go(window.innerWidth < 900 ? `/lines/${slug}/cases/${idOf(r.task)}` : `/lines/${slug}?view=mine&case=${idOf(r.task)}`);
            }} />}
    </section>
  );
}
