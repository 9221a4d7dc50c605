import { useQueryClient } from '@tanstack/react-query';
import { Button, Input } from 'antd';
import { useState, type FormEvent } from 'react';
import { post, Refusal, speakAs } from '../fhir/client';
import { becomes } from '../fhir/queries';
import type { Me } from '../fhir/types';
import { setLang, useLang, useWords } from '../words/words';
import en from './en.json';
import zh from './zh.json';

export function Login() {
  const t = useWords({ zh, en });
  const lang = useLang();
  const client = useQueryClient();
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [refused, setRefused] = useState<Refusal | null>(null);
  const [busy, setBusy] = useState(false);

  async function enter(e: FormEvent) {
    e.preventDefault();
    if (!username.trim() || !password) {
      setRefused(new Refusal(400, 'empty', t('loginEmpty')));
      return;
    }
    setBusy(true);
    setRefused(null);
    try {
      const me = await post<Me>('/api/login', { username: username.trim(), password });
      speakAs(me);
      if (me.user.lang) setLang(me.user.lang);
      becomes(client, me);
    } catch (error) {
      setRefused(error instanceof Refusal ? error : new Refusal(500, 'page', ''));
    } finally {
      setBusy(false);
    }
  }

  const why = refused && (refused.status === 0 ? t('loginOffline')
    : refused.status === 429 ? t('loginWait', { n: Math.max(1, Math.ceil((refused.retryAfter || 60) / 60)) })
    : refused.message || t('loginFailed'));

  return (
    <main className="login">
      <form className="login-card" onSubmit={enter} noValidate>
        <img src="/icon.svg" alt="" width={44} height={44} />
        <h1>{t('brand')}</h1>
        <p className="quiet">{t('brandSays')}</p>
        <label htmlFor="username">{t('username')}</label>
        <Input id="username" name="username" autoComplete="username" autoFocus size="large" value={username}
          onChange={(e) => setUsername(e.target.value)} aria-invalid={!!refused} aria-describedby={why ? 'login-why' : undefined} />
        <label htmlFor="password">{t('password')}</label>
        <Input.Password id="password" name="password" autoComplete="current-password" size="large" value={password}
          onChange={(e) => setPassword(e.target.value)} aria-invalid={!!refused} aria-describedby={why ? 'login-why' : undefined} />
        <div id="login-why" className="field-error" role="alert">{why}</div>
        <Button type="primary" htmlType="submit" size="large" block loading={busy}>{t('login')}</Button>
        <p className="quiet small">{t('loginHelp')}</p>
        <Button type="link" size="small" onClick={() => setLang(lang === 'zh' ? 'en' : 'zh')} lang={lang === 'zh' ? 'en' : 'zh'}>
          {lang === 'zh' ? 'English' : '中文'}
        </Button>
      </form>
    </main>
  );
}
