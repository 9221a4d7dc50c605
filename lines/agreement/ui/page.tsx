import { lazy, Suspense } from 'react';
import { Route, Routes } from 'react-router';
import type { Line } from '../../../web/src/fhir/types';
import { Loading } from '../../../web/src/states/states';
import { useWords } from '../../../web/src/words/words';
import { Start } from '../../../web/src/line/start';
import { Agreements } from './list';
import { Papers } from './papers';
import en from './en.json';
import zh from './zh.json';

const Indicators = lazy(() => import('../../../web/src/line/indicators'));

// The page of agreements: a list by state with the one that is open beside it, and a form to propose one.
export default function AgreementPage({ line }: { line: Line }) {
  const t = useWords({ zh, en });
  return (
    <Suspense fallback={<Loading rows={18} />}>
      <Routes>
        <Route index element={<Agreements line={line} />} />
        <Route path="new" element={(
          <Start line={line} title={t('new')} says={t('newSays')} send={t('propose')} draft={t('keep')} after={(id) => `/lines/${line.slug}?at=${id}`}
            extra={({ values, set }) => <Papers values={values} set={set} />} />
        )} />
        <Route path="cases/:id" element={<Agreements line={line} />} />
        <Route path="indicators" element={<Indicators line={line} />} />
      </Routes>
    </Suspense>
  );
}
