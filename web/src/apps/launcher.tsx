import AppstoreOutlined from '@ant-design/icons/es/icons/AppstoreOutlined';
import { useQuery } from '@tanstack/react-query';
import { App, Button, Dropdown } from 'antd';
import { get, post } from '../fhir/client';
import { useWords } from '../words/words';
import en from './en.json';
import { openApp } from './leave';
import zh from './zh.json';

// Launcher starts an app for the patient who is open; it shows nothing where there is no app.
export function Launcher({ patient }: { patient: string }) {
  const t = useWords({ zh, en });
  const { message } = App.useApp();
  const apps = useQuery({ queryKey: ['apps'], queryFn: () => get<{ apps: { id: string; name: string }[] }>('/api/apps').then((a) => a.apps), staleTime: 300_000 });
  if (!apps.data?.length) return null;
  async function start(id: string) {
    try {
      openApp((await post<{ url: string }>(`/api/apps/${id}/launch`, { patient })).url);
    } catch (e) {
      void message.error((e as Error).message || t('startFailed'));
    }
  }
  return (
    <Dropdown trigger={['click']} menu={{ onClick: ({ key }) => void start(key), items: apps.data.map((a) => ({ key: a.id, label: a.name })) }}>
      <Button icon={<AppstoreOutlined />}>{t('start')}</Button>
    </Dropdown>
  );
}
