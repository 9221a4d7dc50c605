import { useSearchParams } from 'react-router';
import type { Line } from '../../../web/src/fhir/types';
import { Start } from '../../../web/src/line/start';
import { useName } from '../../../web/src/words/words';
import { useSay } from './say';

// New begins a case of the pool: an admission unless the address names another flow.
export default function New({ line }: { line: Line }) {
  const t = useSay();
  const say = useName();
  const [url, setUrl] = useSearchParams();
  const all = (line.start ?? []).filter((s) => s.about !== 'nobody');
  const start = all.find((s) => s.flow === (url.get('flow') ?? 'admission')) ?? all[0];
  return (
    <>
      {all.length > 1 && (
        <div className="views beds-kinds" role="group" aria-label={t('kindOfCase')}>
          {all.map((s) => (
            <button key={s.flow} type="button" aria-pressed={s === start} className={s === start ? 'view view-at' : 'view'} onClick={() => setUrl((before) => {
              const next = new URLSearchParams(before);
              next.set('flow', s.flow);
              return next;
            }, { replace: true })}>{say(s.name)}</button>
          ))}
        </div>
      )}
      <Start key={start?.flow} line={{ ...line, start: start ? [start] : [] }} title={say(start?.do) || say(start?.name) || t('new')} says={start?.flow === 'admission' ? t('newSays') : undefined} send={t('send')} after={(id) => `/lines/${line.slug}/cases/${id}`} />
    </>
  );
}
