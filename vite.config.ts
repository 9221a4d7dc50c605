import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { mock } from './web/dev/mock.ts';

// XINGLIN_SERVER is the address of a running server; without it the dev page speaks to made-up answers.
const server = process.env.XINGLIN_SERVER;

export default defineConfig({
  root: 'web',
  cacheDir: '../node_modules/.vite',
  plugins: [react(), ...(server ? [] : [mock()])],
  server: {
    fs: { allow: ['..'] },
    proxy: server ? { '/api': server, '/fhir': server } : undefined,
  },
  build: {
    target: 'chrome109',
    cssTarget: 'chrome109',
    outDir: 'dist',
    emptyOutDir: true,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}', '../lines/*/ui/*.test.tsx'],
    setupFiles: ['./src/test-setup.ts'],
    testTimeout: 60_000,
    maxWorkers: 2,
  },
});
