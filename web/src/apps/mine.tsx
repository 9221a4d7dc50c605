import { useQuery, useQueryClient } from '@tanstack/react-query';
import { App, Button } from 'antd';
import { call, get } from '../fhir/client';
import type { Ref } from '../fhir/types';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { timeOf } from '../words/time';
import { useWords } from '../words/words';
import en from './en.json';
import { scopeSays } from './scopes';
import zh from './zh.json';

interface LetIn { id: string; name: string; org: Ref; scopes: string[]; since: string; used: string; disabled: boolean }

// MyApps lists the apps that the person has let in, to be taken back.
export default function MyApps() {
  const t = useWords({ zh, en });
  const client = useQueryClient();
  const { modal, message } = App.useApp();
  const mine = useQuery({ queryKey: ['my-apps'], queryFn: () => get<{ apps: LetIn[] }>('/api/me/apps').then((a) => a.apps) });
  const rows = mine.data ?? [];
  const withdraw = (a: LetIn) => modal.confirm({
    title: t('withdrawAsk', { name: a.name }), content: t('withdrawSays'), okText: t('withdraw'), cancelText: t('cancel'), okButtonProps: { danger: true },
    onOk: async () => {
      try {
        await call(`/api/me/apps/${a.id}`, { method: 'DELETE' });
        void message.success(t('withdrawn'));
      } catch (e) {
        void message.error((e as Error).message);
      }
      await client.invalidateQueries({ queryKey: ['my-apps'] });
    },
  });
  return (
    <section className="sheet scroll" aria-label={t('mine')}>
      <div className="sheet-head"><h1>{t('mine')}</h1><span className="grow" /><span className="quiet small not-phone">{t('mineSays')}</span></div>
      {mine.error && !mine.data ? <ErrorState error={mine.error} onRetry={() => void mine.refetch()} />
        : mine.isLoading ? <Loading rows={6} />
        : rows.length === 0 ? <EmptyState title={t('mineEmpty')} hint={t('mineEmptyHint')} />
        : (
          <table className="plain" aria-label={t('mine')}>
            <thead><tr><th scope="col">{t('name')}</th><th scope="col">{t('may')}</th><th scope="col">{t('since')}</th><th scope="col">{t('used')}</th><th scope="col"><span className="sr">{t('actions')}</span></th></tr></thead>
            <tbody>{rows.map((a) => (
              <tr key={a.id} className={a.disabled ? 'row-over' : ''}>
                <td><b>{a.name}</b> <span className="quiet small">{a.org.display}</span>{a.disabled && <span className="mark mark-closed">{t('off')}</span>}</td>
                <td><ul className="bare">{a.scopes.map((s) => <li key={s} title={s}>{scopeSays(t, s)}</li>)}</ul></td>
                <td className="nowrap num">{timeOf(a.since)}</td>
                <td className="nowrap num">{timeOf(a.used)}</td>
                <td className="right"><Button size="small" danger onClick={() => withdraw(a)}>{t('withdraw')}</Button></td>
              </tr>
            ))}</tbody>
          </table>
        )}
    </section>
  );
}
