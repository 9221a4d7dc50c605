import { useCallback, useEffect, useRef, useState } from 'react';
import type { Values } from './parameters';

const prefix = 'xinglin.draft.';
const keepFor = 24 * 3600_000;

// useDraft keeps what a person typed on this computer for a day, per user, line and form.
export function useDraft(key: string, initial: Values) {
  const [values, setValues] = useState<Values>(() => ({ ...initial, ...read(key) }));
  const [restored, setRestored] = useState(() => Object.keys(read(key)).length > 0);
  const touched = useRef(false);
  useEffect(() => {
    if (!touched.current) return;
    const timer = setTimeout(() => {
      try {
        localStorage.setItem(prefix + key, JSON.stringify({ at: Date.now(), values }));
      } catch {
        // a full or private store keeps no draft
      }
    }, 300);
    return () => clearTimeout(timer);
  }, [key, values]);
  const set = useCallback((name: string, value: unknown) => {
    touched.current = true;
    setValues((v) => ({ ...v, [name]: value }));
  }, []);
  const forget = useCallback(() => {
    touched.current = false;
    setRestored(false);
    try {
      localStorage.removeItem(prefix + key);
    } catch {
      // nothing was kept
    }
  }, [key]);
  const reset = useCallback(() => {
    forget();
    setValues(initial);
  }, [forget, initial]);
  return { values, set, setValues, restored, forget, reset };
}

function read(key: string): Values {
  try {
    const kept = JSON.parse(localStorage.getItem(prefix + key) ?? 'null') as { at: number; values: Values } | null;
    if (!kept || Date.now() - kept.at > keepFor) return {};
    return kept.values;
  } catch {
    return {};
  }
}

// forgetOldDrafts runs at start: nothing about a patient stays on a shared computer for longer than a day.
export function forgetOldDrafts() {
  try {
    for (const k of Object.keys(localStorage)) {
      if (k.startsWith(prefix) && !Object.keys(read(k.slice(prefix.length))).length) localStorage.removeItem(k);
    }
  } catch {
    // no store, nothing to forget
  }
}
