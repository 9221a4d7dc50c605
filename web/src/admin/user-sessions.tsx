import { useQuery, useQueryClient } from '@tanstack/react-query';
import { App, Button, Modal } from 'antd';
import accountEn from '../account/en.json';
import { howSaid } from '../account/sessions';
import type { Logins } from '../account/types';
import accountZh from '../account/zh.json';
import { call, get } from '../fhir/client';
import type { User } from '../fhir/types';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { timeOf } from '../words/time';
import { useWords } from '../words/words';

// Sessions shows an administrator where an account is logged in, and ends that.
export function Sessions({ user, onClose }: { user: User; onClose: () => void }) {
  const t = useWords({ zh: accountZh, en: accountEn });
  const { message } = App.useApp();
  const client = useQueryClient();
  const all = useQuery({ queryKey: ['logins', user.id], queryFn: () => get<Logins>(`/api/admin/users/${user.id}/sessions`) });
  async function end() {
    try {
      await call(`/api/admin/users/${user.id}/sessions`, { method: 'DELETE' });
      void message.success(t('ended'));
      void client.invalidateQueries({ queryKey: ['logins', user.id] });
    } catch (e) {
      void message.error((e as Error).message || t('failed'));
    }
  }
  const list = all.data?.sessions ?? [];
  return (
    <Modal open title={`${user.name} · ${t('sessions')}`} onCancel={onClose} width={720} footer={list.length > 0 ? <Button danger onClick={() => void end()}>{t('endAll')}</Button> : null}>
      {all.error && !all.data ? <ErrorState error={all.error} onRetry={() => void all.refetch()} compact />
        : !all.data ? <Loading rows={3} />
        : list.length === 0 ? <EmptyState title={t('noLogins')} />
        : (
          <table className="plain" aria-label={t('sessions')}>
            <thead><tr><th scope="col">{t('device')}</th><th scope="col">{t('address')}</th><th scope="col">{t('how')}</th><th scope="col">{t('since')}</th><th scope="col">{t('lastUsed')}</th></tr></thead>
            <tbody>{list.map((s) => (
              <tr key={s.id}><td>{s.agent || t('unknownAgent')}</td><td className="num">{s.remote}</td><td>{howSaid(s.how, t)}</td><td className="num">{timeOf(s.created)}</td><td className="num">{timeOf(s.used)}</td></tr>
            ))}</tbody>
          </table>
        )}
    </Modal>
  );
}
