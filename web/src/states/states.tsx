import { Button, Skeleton } from 'antd';
import { Component, type ReactNode } from 'react';
import { Refusal } from '../fhir/client';
import { useWords } from '../words/words';
import en from './en.json';
import zh from './zh.json';

// ErrorState says what, why, what now, and a number to quote; of an act (`act`), that it was not done.
export function ErrorState({ error, onRetry, compact, act }: { error: unknown; onRetry?: () => void; compact?: boolean; act?: boolean }) {
  const t = useWords({ zh, en });
  const r = error instanceof Refusal ? error : new Refusal(500, 'page', (error as Error)?.message ?? '');
  const [what, why, now] =
    r.status === 0 ? [t('offline'), t('offlineWhy'), t('offlineNow')]
    : r.status === 403 ? [t(act ? 'notYours' : 'forbidden'), r.message, t('forbiddenNow')]
    : r.status === 404 || r.status === 410 ? [t('missing'), r.message, t('missingNow')]
    : r.status === 409 || r.status === 412 ? [t('moved'), r.message, t('movedNow')]
    : r.status >= 500 ? [t('server'), r.code === 'page' ? '' : r.message, t('serverNow')]
    : [t(act ? 'notDone' : 'failed'), r.message, ''];
  return (
    <div className={compact ? 'state state-compact' : 'state'} role="alert">
      <strong>{what}</strong>
      {why && <p>{why}</p>}
      {now && <p className="quiet">{now}</p>}
      {onRetry && <Button onClick={onRetry}>{t('retry')}</Button>}
      {r.number && <p className="quiet small">{t('number')} <code>{r.number}</code></p>}
    </div>
  );
}

export function EmptyState({ title, hint, children }: { title: string; hint?: string; children?: ReactNode }) {
  return (
    <div className="state">
      <strong>{title}</strong>
      {hint && <p className="quiet">{hint}</p>}
      {children}
    </div>
  );
}

export function Loading({ rows = 8, label }: { rows?: number; label?: string }) {
  const t = useWords({ zh, en });
  return (
    <div className="loading" role="status" aria-label={label ?? t('loading')}>
      <Skeleton active title={false} paragraph={{ rows, width: '100%' }} />
    </div>
  );
}

function Broken() {
  const t = useWords({ zh, en });
  return (
    <div className="state" role="alert">
      <strong>{t('broken')}</strong>
      <p className="quiet">{t('brokenNow')}</p>
      <Button onClick={() => location.reload()}>{t('reload')}</Button>
    </div>
  );
}

// Fence keeps a failing part from taking the page with it.
export class Fence extends Component<{ children: ReactNode; name: string }, { failed: boolean }> {
  override state = { failed: false };
  static getDerivedStateFromError() {
    return { failed: true };
  }
  override componentDidUpdate(before: { name: string }) {
    if (before.name !== this.props.name && this.state.failed) this.setState({ failed: false });
  }
  override render() {
    return this.state.failed ? <Broken /> : this.props.children;
  }
}
