import { expect, it } from 'vitest';

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
