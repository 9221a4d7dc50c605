import '@testing-library/jest-dom/vitest';
import { cleanup, configure } from '@testing-library/react';
import { afterEach, vi } from 'vitest';

// a slow machine draws late; a test waits for what it expects, not for a clock
configure({ asyncUtilTimeout: 15_000 });
afterEach(cleanup);

// jsdom draws nothing: what antd asks of a screen is answered here.
Object.defineProperty(window, 'matchMedia', {
  writable: true,
  value: (q: string) => ({ matches: false, media: q, addEventListener: vi.fn(), removeEventListener: vi.fn(), addListener: vi.fn(), removeListener: vi.fn(), dispatchEvent: vi.fn() }),
});
class Watcher {
  observe() {}
  unobserve() {}
  disconnect() {}
}
globalThis.ResizeObserver ??= Watcher as unknown as typeof ResizeObserver;
Element.prototype.scrollIntoView ??= () => {};
const drawn = window.getComputedStyle.bind(window);
window.getComputedStyle = (e: Element) => drawn(e);
