import DownOutlined from '@ant-design/icons/es/icons/DownOutlined';
import UserOutlined from '@ant-design/icons/es/icons/UserOutlined';
import EnvironmentOutlined from '@ant-design/icons/es/icons/EnvironmentOutlined';
import { useQueryClient } from '@tanstack/react-query';
import { App, Button, Dropdown } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { useNavigate } from 'react-router';
import { post, speakAs } from '../fhir/client';
import { becomes } from '../fhir/queries';
import type { Me } from '../fhir/types';
import { setLang, useLang, useName, useWords } from '../words/words';
import en from './en.json';
import zh from './zh.json';

const Password = lazy(() => import('./password'));

export function RoleMenu({ me }: { me: Me }) {
  const t = useWords({ zh, en });
  const name = useName();
  const client = useQueryClient();
  const go = useNavigate();
  const { message } = App.useApp();
  const roles = me.roles ?? [];
  const where = me.role?.org?.display ?? me.role?.institution?.display ?? '';
  const said = (
    <span className="who">
      <EnvironmentOutlined aria-hidden />
      <span className="who-org">{where}</span>
      <span className="who-role">{name(me.role?.roleName)}</span>
    </span>
  );
  if (roles.length < 2) return <div className="who-box not-phone" title={`${where} ${name(me.role?.roleName)}`}>{said}</div>;

  async function take(id: string) {
    try {
      const next = await post<Me>('/api/role', { id });
      speakAs(next);
      becomes(client, next);
      go('/');
      void message.success(t('switched', { role: name(next.role.roleName) }));
    } catch (e) {
      void message.error((e as Error).message);
    }
  }
  return (
    <Dropdown trigger={['click']} menu={{
      selectedKeys: [me.role?.id],
      onClick: ({ key }) => void take(key),
      items: roles.map((r) => ({ key: r.id, label: `${r.org?.display ?? ''} · ${name(r.roleName)}` })),
    }}>
      <Button type="text" className="who-box" aria-label={`${t('switchRole')}: ${where} ${name(me.role?.roleName)}`}>
        {said}<DownOutlined aria-hidden className="small" />
      </Button>
    </Dropdown>
  );
}

export function MeMenu({ me }: { me: Me }) {
  const t = useWords({ zh, en });
  const lang = useLang();
  const go = useNavigate();
  const client = useQueryClient();
  const [changing, setChanging] = useState(false);

  async function leave() {
    let to = '/';
    try {
      const said = await post<{ elsewhere?: string } | null>('/api/logout');
      to = said?.elsewhere ?? '/'; // a hospital's own login ends too
    } finally {
      speakAs(null);
      location.assign(to);
    }
  }
  async function speak() {
    const next = lang === 'zh' ? 'en' : 'zh';
    setLang(next);
    try {
      await post('/api/lang', { lang: next });
    } finally {
      void client.invalidateQueries();
    }
  }
  return (
    <>
      <Button type="text" className="not-phone" onClick={() => void speak()} lang={lang === 'zh' ? 'en' : 'zh-CN'}>{t('language')}</Button>
      <Dropdown trigger={['click']} menu={{
        onClick: ({ key }) => (key === 'account' ? go('/me') : key === 'apps' ? go('/me/apps') : key === 'password' ? setChanging(true) : key === 'lang' ? void speak() : void leave()),
        items: [
          { key: 'who', disabled: true, label: `${me.user.name} · ${me.role?.org?.display ?? ''}` },
          { key: 'account', label: t('account') },
          { key: 'apps', label: t('myApps') },
          { key: 'password', label: t('changePassword') },
          { key: 'lang', label: t('language') },
          { type: 'divider' },
          { key: 'logout', label: t('logout') },
        ],
      }}>
        <Button type="text" icon={<UserOutlined />} aria-label={`${t('me')}: ${me.user.name}`}>
          <span className="not-phone">{me.user.name}</span>
        </Button>
      </Dropdown>
      {changing && <Suspense><Password onClose={() => setChanging(false)} /></Suspense>}
    </>
  );
}
