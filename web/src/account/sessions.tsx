import { useQueryClient } from '@tanstack/react-query';
import { App, Button } from 'antd';
import { call, post } from '../fhir/client';
import { ErrorState, Loading } from '../states/states';
import { timeOf } from '../words/time';
import { useWords, type Say } from '../words/words';
import en from './en.json';
import { useLogins } from './logins';
import zh from './zh.json';

// howSaid puts the way of a login into words: "password totp", "oidc:county".
export function howSaid(how: string, t: Say) {
  return how.split(' ').map((part) => (part.startsWith('oidc:') ? t('how.hospital') : t(`how.${part}`))).join(' + ');
}

export function Sessions() {
  const t = useWords({ zh, en });
  const { message } = App.useApp();
  const client = useQueryClient();
  const all = useLogins();
  const again = () => void client.invalidateQueries({ queryKey: ['logins'] });
  async function end(id: string) {
    try {
      await call(`/api/me/sessions${id && `/${id}`}`, { method: 'DELETE' });
      void message.success(t('ended'));
      again();
    } catch (e) {
      void message.error((e as Error).message || t('failed'));
    }
  }
  async function seen() {
    await post('/api/me/sessions/seen');
    again();
  }
  if (all.error && !all.data) return <ErrorState error={all.error} onRetry={() => void all.refetch()} compact />;
  if (!all.data) return <Loading rows={4} />;
  const { sessions, strangers = [] } = all.data;
  return (
    <>
      {strangers.length > 0 && (
        <div className="news" role="status">
          <b>{t('strangers')}</b>
          <ul>{strangers.map((s) => <li key={s.at + s.remote}>{timeOf(s.at)} · {s.agent || t('unknownAgent')} · <span className="num">{s.remote}</span></li>)}</ul>
          <p>{t('strangersSay')}</p>
          <div className="actions"><Button size="small" onClick={() => void seen()}>{t('itWasMe')}</Button><Button size="small" danger onClick={() => void end('')}>{t('endOthers')}</Button></div>
        </div>
      )}
      <table className="plain" aria-label={t('sessions')}>
        <thead><tr><th scope="col">{t('device')}</th><th scope="col">{t('address')}</th><th scope="col">{t('how')}</th><th scope="col">{t('since')}</th><th scope="col">{t('lastUsed')}</th><th scope="col"><span className="sr">{t('end')}</span></th></tr></thead>
        <tbody>{sessions.map((s) => (
          <tr key={s.id}>
            <td>{s.agent || t('unknownAgent')}{s.mine && <span className="mark mark-open">{t('thisOne')}</span>}</td>
            <td className="num">{s.remote}</td><td>{howSaid(s.how, t)}</td><td className="num">{timeOf(s.created)}</td><td className="num">{timeOf(s.used)}</td>
            <td>{!s.mine && <Button size="small" onClick={() => void end(s.id)}>{t('end')}</Button>}</td>
          </tr>
        ))}</tbody>
      </table>
      {sessions.length > 1 && <div className="actions"><Button onClick={() => void end('')}>{t('endOthers')}</Button></div>}
    </>
  );
}
