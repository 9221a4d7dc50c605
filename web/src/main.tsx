import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router';
import { Refusal } from './fhir/client';
import { forgetOldDrafts } from './line/draft';
import { Page } from './shell/page';
import './shell/page.css';

const loggedOut = (error: unknown) => {
  if (error instanceof Refusal && error.status === 401 && client.getQueryData(['me'])) {
    client.setQueryData(['me'], null);
    void client.invalidateQueries({ queryKey: ['me'] });
  }
};
const client = new QueryClient({
  queryCache: new QueryCache({ onError: loggedOut }),
  mutationCache: new MutationCache({ onError: loggedOut }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (times, error) => times < 2 && error instanceof Refusal && (error.status === 0 || error.status >= 502),
    },
  },
});

forgetOldDrafts();

createRoot(document.getElementById('page')!).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <BrowserRouter>
        <Page />
      </BrowserRouter>
    </QueryClientProvider>
  </StrictMode>,
);
