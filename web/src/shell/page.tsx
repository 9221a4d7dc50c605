import { App, ConfigProvider } from 'antd';
import enUS from 'antd/locale/en_US';
import zhCN from 'antd/locale/zh_CN';
import { lazy, Suspense, useEffect } from 'react';
import { Refusal, speakAs } from '../fhir/client';
import { useLocation } from 'react-router';
import { useMe } from '../fhir/queries';
import { ErrorState, Fence, Loading } from '../states/states';
import { setLang, useLang } from '../words/words';
import { Login } from './login';
import { theme } from './theme';

const Shell = lazy(() => import('./shell'));
const Consent = lazy(() => import('../apps/consent'));
const MustEnrol = lazy(() => import('../account/enrol'));

export function Page() {
  const lang = useLang();
  useEffect(() => setLang(lang), [lang]);
  return (
    <ConfigProvider locale={lang === 'zh' ? zhCN : enUS} theme={theme} button={{ autoInsertSpace: false }}>
      <App message={{ top: 56, maxCount: 3 }}>
        <Gate />
      </App>
    </ConfigProvider>
  );
}

function Gate() {
  const me = useMe();
  const place = useLocation();
  if (me.data) speakAs(me.data);
  if (me.isLoading) return <Loading rows={12} />;
  if (me.data)
    return (
      <Fence name="shell">
        <Suspense fallback={<Loading rows={12} />}>
          {me.data.user.mustEnrol && !me.data.user.mustChangePassword ? <MustEnrol me={me.data} />
            : place.pathname === '/consent' ? <Consent me={me.data} /> : <Shell me={me.data} />}
        </Suspense>
      </Fence>
    );
  if (me.error && !(me.error instanceof Refusal && me.error.status === 401))
    return <main className="alone"><ErrorState error={me.error} onRetry={() => void me.refetch()} /></main>;
  return <Login />;
}
