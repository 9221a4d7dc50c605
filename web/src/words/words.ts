import { useCallback, useSyncExternalStore } from 'react';
import { askIn } from '../fhir/client';
import type { Lang, Name } from '../fhir/types';

export type Words = Record<string, string>;
export type Say = (key: string, values?: Record<string, string | number>) => string;

const kept = 'xinglin.lang';
let lang: Lang = read();
const listeners = new Set<() => void>();
askIn(lang);

function read(): Lang {
  try {
    return localStorage.getItem(kept) === 'en' ? 'en' : 'zh';
  } catch {
    return 'zh';
  }
}

export function setLang(next: Lang) {
  lang = next;
  askIn(next);
  try {
    localStorage.setItem(kept, next);
  } catch {
    // a private window keeps nothing
  }
  document.documentElement.lang = next === 'zh' ? 'zh-CN' : 'en';
  listeners.forEach((l) => l());
}

const subscribe = (l: () => void) => {
  listeners.add(l);
  return () => void listeners.delete(l);
};

export const useLang = (): Lang => useSyncExternalStore(subscribe, () => lang, () => lang);
export const currentLang = () => lang;

// useWords returns the folder's t(): the sentence of a key in the person's language, {name} filled in.
export function useWords(words: { zh: Words; en: Words }): Say {
  const l = useLang();
  return (key, values) => fill(words[l][key] ?? words.zh[key] ?? key, values);
}

export function fill(sentence: string, values?: Record<string, string | number>) {
  if (!values) return sentence;
  return sentence.replace(/\{(\w+)\}/g, (all, k: string) => (k in values ? String(values[k]) : all));
}

const signs = {
  zh: { list: '、', comma: '，', semicolon: '；', colon: '：', aside: (s: string) => `（${s}）` },
  en: { list: ', ', comma: ', ', semicolon: '; ', colon: ': ', aside: (s: string) => ` (${s})` },
};
// useMarks is how the person's language parts words.
export const useMarks = () => signs[useLang()];

// useName reads a {zh, en} name that came from the server.
export function useName() {
  const l = useLang();
  return useCallback((name?: Name | string | null) => (typeof name === 'string' ? name : name ? (l === 'en' && name.en) || name.zh : ''), [l]);
}

export const say = (name?: Name | string | null) =>
  typeof name === 'string' ? name : name ? (lang === 'en' && name.en) || name.zh : '';
