import './account.css';
import { useQueryClient } from '@tanstack/react-query';
import { Button } from 'antd';
import { post, speakAs } from '../fhir/client';
import type { Me } from '../fhir/types';
import { useWords } from '../words/words';
import en from './en.json';
import { Factors } from './factors';
import { Proof } from './proof';
import zh from './zh.json';

// MustEnrol stands in place of everything else while a second factor is needed and missing.
export default function MustEnrol({ me }: { me: Me }) {
  const t = useWords({ zh, en });
  const client = useQueryClient();
  async function leave() {
    try {
      await post('/api/logout');
    } finally {
      speakAs(null);
      location.assign('/');
    }
  }
  return (
    <main className="alone account-body">
      <h1>{t('mustEnrol')}</h1>
      <p>{t('mustEnrolSays', { name: me.user.name })}</p>
      <Factors onChanged={() => void client.invalidateQueries({ queryKey: ['me'] })} />
      <p><Button type="link" onClick={() => void leave()}>{t('logout')}</Button></p>
      <Proof />
    </main>
  );
}
