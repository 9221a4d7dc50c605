import { lazy, Suspense } from 'react';
import { Route, Routes } from 'react-router';
import type { Line } from '../../../web/src/fhir/types';
import { Loading } from '../../../web/src/states/states';
import { Desk } from './list';
import './review.css';

const Indicators = lazy(() => import('../../../web/src/line/indicators'));

// The desk of the patient index: possible pairs on the left, the two records side by side on the right.
export default function PersonReviewPage({ line }: { line: Line }) {
  return (
    <Suspense fallback={<Loading rows={18} />}>
      <Routes>
        <Route index element={<Desk line={line} />} />
        <Route path="cases/:id" element={<Desk line={line} />} />
        <Route path="indicators" element={<Indicators line={line} />} />
      </Routes>
    </Suspense>
  );
}
