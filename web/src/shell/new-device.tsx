import { App, Button } from 'antd';
import { useEffect } from 'react';
import { useNavigate } from 'react-router';
import en from '../account/en.json';
import zh from '../account/zh.json';
import { timeOf } from '../words/time';
import { useWords } from '../words/words';
import { corner } from './corner';

export default function NewDevice({ at, agent, remote, onTold }: { at: string; agent?: string; remote: string; onTold: () => void }) {
  const t = useWords({ zh, en });
  const { notification } = App.useApp();
  const go = useNavigate();
  const key = `device-${at} ${remote}`;
  useEffect(() => {
    onTold();
    notification.warning({
      key, title: t('strangers'), placement: corner(), duration: 0, role: 'status',
      description: `${timeOf(at)} · ${agent || t('unknownAgent')} · ${remote}`,
      actions: <Button size="small" onClick={() => { notification.destroy(key); go('/me'); }}>{t('look')}</Button>,
    });
  // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [key]);
  return null;
}
