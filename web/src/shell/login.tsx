import '../account/account.css';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button, Input } from 'antd';
import { useEffect, useState, type FormEvent } from 'react';
import { browserHasPasskeys, dismissed, showPasskey, type Asked } from '../account/passkeys';
import type { Doors, Second } from '../account/types';
import { get, post, Refusal, speakAs } from '../fhir/client';
import { becomes } from '../fhir/queries';
import type { Me } from '../fhir/types';
import { setLang, useLang, useName, useWords } from '../words/words';
import en from './en.json';
import zh from './zh.json';

type Entered = Me | { second: Second };

export function Login() {
  const t = useWords({ zh, en });
  const name = useName();
  const lang = useLang();
  const client = useQueryClient();
  const doors = useQuery({ queryKey: ['doors'], queryFn: () => get<Doors>('/api/login'), retry: false, staleTime: 60_000 });
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [second, setSecond] = useState<Second | null>(null);
  const [refused, setRefused] = useState<Refusal | null>(() => fromAddress(t));
  const [busy, setBusy] = useState(false);
  const pending = doors.data?.second ?? null;
  useEffect(() => {
    if (pending) setSecond(pending); // the way back from a hospital's login
  }, [pending]);

  async function attempt(enters: () => Promise<Entered>) {
    setBusy(true);
    setRefused(null);
    try {
      const said = await enters();
      if ('second' in said) {
        setPassword('');
        setCode('');
        setSecond(said.second);
        return;
      }
      speakAs(said);
      if (said.user.lang) setLang(said.user.lang);
      client.removeQueries({ queryKey: ['doors'] });
      becomes(client, said);
    } catch (error) {
      if (dismissed(error)) return;
      const why = error instanceof Refusal ? error : new Refusal(500, 'page', '');
      if (why.code === 'login-expired') setSecond(null);
      setRefused(why);
    } finally {
      setBusy(false);
    }
  }
  function enter(e: FormEvent) {
    e.preventDefault();
    if (!username.trim() || !password) return setRefused(new Refusal(400, 'empty', t('loginEmpty')));
    void attempt(() => post<Entered>('/api/login', { username: username.trim(), password }));
  }
  function prove(e: FormEvent) {
    e.preventDefault();
    void attempt(() => post<Entered>('/api/login/second', { code }));
  }
  const byPasskey = (asSecond: boolean) => attempt(async () => {
    const asked = await post<Asked>('/api/login/passkey/ask', { second: asSecond });
    return post<Entered>('/api/login/passkey', { second: asSecond, ceremony: asked.ceremony, credential: await showPasskey(asked) });
  });

  const why = refused && (refused.status === 0 ? t('loginOffline')
    : refused.status === 429 ? t('loginWait', { n: Math.max(1, Math.ceil((refused.retryAfter || 60) / 60)) })
    : refused.message || t('loginFailed'));
  const said = <div id="login-why" className="field-error" role="alert">{why}</div>;
  const speak = (
    <Button type="link" size="small" onClick={() => setLang(lang === 'zh' ? 'en' : 'zh')} lang={lang === 'zh' ? 'en' : 'zh'}>
      {lang === 'zh' ? 'English' : '中文'}
    </Button>
  );
  const head = <><img src="/icon.svg" alt="" width={44} height={44} /><h1>{t('brand')}</h1></>;
  const keys = browserHasPasskeys();

  if (second)
    return (
      <main className="login">
        <form className="login-card" onSubmit={prove} noValidate>
          {head}
          <h2>{t('secondTitle')}</h2>
          {keys && second.passkeys && <Button size="large" block loading={busy} onClick={() => void byPasskey(true)}>{t('secondPasskey')}</Button>}
          {second.ways.some((w) => w !== 'passkey') && (
            <>
              <p className="quiet">{t('secondSays')}</p>
              <label htmlFor="code">{t('secondCode')}</label>
              <Input id="code" name="code" autoComplete="one-time-code" autoFocus size="large" value={code} maxLength={24}
                onChange={(e) => setCode(e.target.value)} aria-invalid={!!refused} aria-describedby={why ? 'login-why' : undefined} />
            </>
          )}
          {said}
          {second.ways.some((w) => w !== 'passkey') && <Button type="primary" htmlType="submit" size="large" block loading={busy} disabled={!code.trim()}>{t('secondGo')}</Button>}
          <Button type="link" size="small" onClick={() => { setSecond(null); setRefused(null); }}>{t('secondBack')}</Button>
          {speak}
        </form>
      </main>
    );

  const hospitals = doors.data?.hospitals ?? [];
  const passkeys = keys && doors.data?.passkeys;
  return (
    <main className="login">
      <form className="login-card" onSubmit={enter} noValidate>
        {head}
        <p className="quiet">{t('brandSays')}</p>
        <label htmlFor="username">{t('username')}</label>
        <Input id="username" name="username" autoComplete="username" autoFocus size="large" value={username}
          onChange={(e) => setUsername(e.target.value)} aria-invalid={!!refused} aria-describedby={why ? 'login-why' : undefined} />
        <label htmlFor="password">{t('password')}</label>
        <Input.Password id="password" name="password" autoComplete="current-password" size="large" value={password}
          onChange={(e) => setPassword(e.target.value)} aria-invalid={!!refused} aria-describedby={why ? 'login-why' : undefined} />
        {said}
        <Button type="primary" htmlType="submit" size="large" block loading={busy}>{t('login')}</Button>
        {(passkeys || hospitals.length > 0) && <div className="login-or"><span>{t('or')}</span></div>}
        {passkeys && <Button size="large" block disabled={busy} onClick={() => void byPasskey(false)}>{t('usePasskey')}</Button>}
        {hospitals.map((h) => (
          <Button key={h.slug} size="large" block href={`/api/login/with/${h.slug}?to=${encodeURIComponent(location.pathname + location.search)}`}>{t('withHospital', { name: name(h.name) })}</Button>
        ))}
        <p className="quiet small">{doors.data?.lenient ? t('lenientNote') : t('loginHelp')}</p>
        {speak}
      </form>
    </main>
  );
}

// fromAddress reads why a hospital's login came back without anybody, and takes it out of the address.
function fromAddress(t: (key: string) => string): Refusal | null {
  const here = new URL(location.href);
  const code = here.searchParams.get('login');
  if (!code) return null;
  here.searchParams.delete('login');
  history.replaceState(history.state, '', here.pathname + here.search);
  const words = t(`login.${code}`);
  return new Refusal(401, code, words === `login.${code}` ? t('login.failed') : words);
}
