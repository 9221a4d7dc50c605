import type { Plugin } from 'vite';
import { answer } from './fixtures.ts';

// mock lets the page be worked on without a server: `npm run dev`. Set XINGLIN_SERVER to speak to a real one.
export const mock = (): Plugin => ({
  name: 'made-up-answers',
  apply: 'serve',
  configureServer(server) {
    server.middlewares.use((request, response, next) => {
      const url = new URL(request.url ?? '/', 'http://dev');
      if (!/^\/(api|fhir)\//.test(url.pathname)) return next();
      if (url.pathname === '/api/stream') {
        response.writeHead(200, { 'Content-Type': 'text/event-stream' });
        response.write(': made up\n\n');
        return;
      }
      const said = answer(request.method ?? 'GET', url.pathname);
      response.writeHead(said === undefined && request.method === 'GET' ? 404 : 200, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(said ?? {}));
    });
  },
});
