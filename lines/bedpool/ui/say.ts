import { fill, useLang, type Say } from '../../../web/src/words/words';
import en from './en.json';
import zh from './zh.json';

const words: Record<'zh' | 'en', Record<string, string>> = { zh, en };
const make = (lang: 'zh' | 'en'): Say => (key, values) => fill(words[lang][key] ?? words.zh[key] ?? key, values);
const says = { zh: make('zh'), en: make('en') };

// useSay is this page's t() with one identity per language: two thousand tiles are compared by it.
export const useSay = (): Say => says[useLang()];
