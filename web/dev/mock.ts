import type { Plugin } from 'vite';

export const mock = (): Plugin => ({ name: 'made-up-answers', apply: 'serve' });
