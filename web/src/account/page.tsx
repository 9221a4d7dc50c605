import './account.css';
import { useQuery } from '@tanstack/react-query';
import { Button } from 'antd';
import { useState } from 'react';
import { get } from '../fhir/client';
import Password from '../shell/password';
import { useWho } from '../shell/who';
import { useLang, useName, useWords } from '../words/words';
import en from './en.json';
import { Factors } from './factors';
import { Sessions } from './sessions';
import type { Rules } from './types';
import zh from './zh.json';

// Account is everything that a person sees to about his own login.
export default function Account() {
  const t = useWords({ zh, en });
  const name = useName();
  const lang = useLang();
  const me = useWho();
  const rules = useQuery({ queryKey: ['rules'], queryFn: () => get<Rules>('/api/rules'), staleTime: Infinity });
  const [changing, setChanging] = useState(false);
  if (!me) return null;
  return (
    <section className="sheet scroll account" aria-label={t('account')}>
      <div className="sheet-head"><h1>{t('account')}</h1></div>
      <div className="account-body">
        <section aria-labelledby="account-who">
          <h2 id="account-who">{me.user.name}</h2>
          <p className="quiet num">{me.user.username}</p>
          <ul>{(me.roles ?? []).map((r) => <li key={r.id}>{name(r.roleName)} <span className="quiet">{r.org?.display}</span></li>)}</ul>
        </section>
        <section aria-labelledby="account-password">
          <h2 id="account-password">{t('password')}</h2>
          <ul className="quiet">{(rules.data?.sentences ?? []).map((s) => <li key={s.code}>{lang === 'en' ? s.en : s.zh}</li>)}</ul>
          <div className="actions"><Button onClick={() => setChanging(true)}>{t('changePassword')}</Button></div>
        </section>
        <section aria-labelledby="account-factors">
          <h2 id="account-factors">{t('factors')}</h2>
          <p className="quiet">{t('factorsSay')}</p>
          <Factors lenient={me.lenient} />
        </section>
        <section aria-labelledby="account-sessions">
          <h2 id="account-sessions">{t('sessions')}</h2>
          <Sessions />
        </section>
      </div>
      {changing && <Password onClose={() => setChanging(false)} />}
    </section>
  );
}
