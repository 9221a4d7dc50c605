import { lazy, Suspense, type ReactNode } from 'react';
import { Route, Routes } from 'react-router';
import type { Case, Line } from '../fhir/types';
import { Loading } from '../states/states';
import { CasePage } from './case';
import { Worklist } from './worklist';

const Indicators = lazy(() => import('./indicators'));

export interface LineParts {
  line: Line;
  compose?: ReactNode;
  // aside adds what is the line's own to a case, below the generic tabs' packet.
  aside?: (c: Case) => ReactNode;
}

// LinePage is the page of any line: worklist, case, numbers; a line hands in what is its own.
export function LinePage({ line, compose, aside }: LineParts) {
  return (
    <Suspense fallback={<Loading rows={18} />}>
      <Routes>
        <Route index element={<Worklist line={line} canCompose={!!compose} aside={aside} />} />
        {compose && <Route path="new" element={compose} />}
        <Route path="cases/:id" element={<CasePage line={line} aside={aside} />} />
        <Route path="indicators" element={<Indicators line={line} />} />
      </Routes>
    </Suspense>
  );
}
