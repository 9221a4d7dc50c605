import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render } from '@testing-library/react';
import { App, ConfigProvider } from 'antd';
import type { ReactNode } from 'react';
import { MemoryRouter, Route, Routes, useLocation } from 'react-router';
import { vi } from 'vitest';
import { answer, answers, me } from '../dev/fixtures.ts';
import { MeContext } from './shell/who';

export interface Asked { method: string; path: string; search: string; body: unknown; headers: Record<string, string> }

export const refuse = (status: number, code: string, text: string) => ({
  refused: status, resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'processing', details: { coding: [{ code }], text }, diagnostics: 'request q-77' }],
});

// hub draws a part of the page over made-up answers; what was asked is returned for the test to read.
export function hub(page: ReactNode, { path = '/', route = '/*', say = {} as Record<string, unknown>, who = me } = {}) {
  const asked: Asked[] = [];
  const table = { ...answers, ...say };
  vi.stubGlobal('fetch', vi.fn(async (input: string, init: RequestInit = {}) => {
    const url = new URL(input, 'http://test');
    const method = init.method ?? 'GET';
    asked.push({ method, path: url.pathname, search: url.search, body: typeof init.body === 'string' ? JSON.parse(init.body) : init.body, headers: init.headers as Record<string, string> });
    const said = answer(method, url.pathname, table) as { refused?: number } | undefined | Error;
    if (said instanceof Error) throw said;
    const status = said === undefined ? (method === 'GET' ? 404 : 200) : (said?.refused ?? 200);
    return new Response(JSON.stringify(said ?? {}), { status, headers: { 'Content-Type': 'application/json' } });
  }));
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const drawn = render(
    <QueryClientProvider client={client}>
      <ConfigProvider theme={{ token: { motion: false } }} button={{ autoInsertSpace: false }}>
        <App>
          <MemoryRouter initialEntries={[path]}>
            <MeContext.Provider value={who}>
              <Routes><Route path={route} element={page} /></Routes>
              <Where />
            </MeContext.Provider>
          </MemoryRouter>
        </App>
      </ConfigProvider>
    </QueryClientProvider>,
  );
  return { ...drawn, asked, client };
}

function Where() {
  const at = useLocation();
  return <span data-testid="where">{at.pathname + at.search}</span>;
}
