import { expect, it } from 'vitest';

const written = import.meta.glob<string>(['../**/*.json', '../../../lines/*/ui/*.json'], { eager: true, query: '?raw', import: 'default' });
const pages = import.meta.glob<string>(['../**/*.tsx', '../../../lines/*/ui/*.tsx', '!../**/*.test.tsx', '!../../../lines/**/*.test.tsx', '!../../../lines/bedpool/**'], { eager: true, query: '?raw', import: 'default' });

it.each(Object.keys(written))('%s says each thing once', (file) => {
  const keys = [...written[file]!.matchAll(/^\s*"([^"]+)":/gm)].map((m) => m[1]);
  expect(keys.filter((k, i) => keys.indexOf(k) !== i)).toEqual([]);
});

it.each(Object.keys(written).filter((p) => p.endsWith('en.json')))('%s speaks English', (file) => {
  const said = Object.entries(JSON.parse(written[file]!) as Record<string, string>).filter(([k, v]) => k !== 'language' && /[，。；：、（）？！]/.test(v));
  expect(said).toEqual([]);
});

it.each(Object.keys(pages))('%s parts words as the language does', (file) => {
  const code = pages[file]!.split('\n').filter((l) => !/^\s*\/\//.test(l) && !l.includes('tokenSeparators') && !l.includes('.replace(/'));
  expect(code.filter((l) => /['`>}][，；：、（]|[、（：]['`<]/.test(l))).toEqual([]);
});

const folders = import.meta.glob<{ default: Record<string, string> }>(['../**/zh.json', '../**/en.json', '../../../lines/*/ui/*.json'], { eager: true });

it.each(Object.keys(folders).filter((p) => p.endsWith('zh.json')))('%s says the same keys in English', (zh) => {
  const en = folders[zh.replace('zh.json', 'en.json')];
  expect(en, 'en.json is missing').toBeDefined();
  expect(Object.keys(en!.default).sort()).toEqual(Object.keys(folders[zh]!.default).sort());
  for (const [k, v] of Object.entries(folders[zh]!.default)) {
    const holes = (s: string) => (s.match(/\{\w+\}/g) ?? []).sort().join();
    expect(holes(en!.default[k]!), k).toBe(holes(v));
  }
});
