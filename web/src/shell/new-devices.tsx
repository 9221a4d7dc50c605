import { App, Button } from 'antd';
import { useEffect } from 'react';
import { useNavigate } from 'react-router';
import en from '../account/en.json';
import { useLogins } from '../account/sessions';
import zh from '../account/zh.json';
import { timeOf } from '../words/time';
import { useWords } from '../words/words';

// NewDevices tells a person once that his account was entered from a device that is new to it.
export function NewDevices() {
  const t = useWords({ zh, en });
  const { notification } = App.useApp();
  const go = useNavigate();
  const first = useLogins().data?.strangers?.[0];
  const key = first && `${first.at} ${first.remote}`;
  useEffect(() => {
    if (!first || !key) return;
    notification.warning({
      key: `device-${key}`, title: t('strangers'), placement: 'bottomRight', duration: 0, role: 'status',
      description: `${timeOf(first.at)} · ${first.agent || t('unknownAgent')} · ${first.remote}`,
      actions: <Button size="small" onClick={() => { notification.destroy(`device-${key}`); go('/me'); }}>{t('look')}</Button>,
    });
  // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [key]);
  return null;
}
