import { useLang } from '../words/words';

const words: Record<string, [string, string]> = {
  male: ['男', 'M'], female: ['女', 'F'], other: ['其他', 'other'], unknown: ['未知', 'unknown'],
};
export function useSex() {
  const lang = useLang();
  return (sex?: string) => words[sex ?? '']?.[lang === 'zh' ? 0 : 1] ?? sex ?? '';
}

// ageOf says an age as the ward does: 63岁, 5月, 12天.
export function ageOf(age: number | string | undefined, birthDate: string | undefined, lang: 'zh' | 'en') {
  const zh = lang === 'zh';
  if (typeof age === 'string' && age && Number.isNaN(Number(age))) return age;
  let years = age === undefined || age === '' ? undefined : Number(age);
  if (!birthDate && !years) return ''; // nobody knows
  if (birthDate && (years === undefined || years < 2)) {
    const days = Math.floor((Date.now() - new Date(birthDate).getTime()) / 86_400_000);
    if (days < 31) return zh ? `${Math.max(0, days)}天` : `${days}d`;
    if (days < 730) return zh ? `${Math.floor(days / 30.44)}月` : `${Math.floor(days / 30.44)}mo`;
    years ??= Math.floor(days / 365.25);
  }
  return years === undefined ? '' : zh ? `${years}岁` : `${years}y`;
}
