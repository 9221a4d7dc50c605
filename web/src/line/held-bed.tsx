import { Link } from 'react-router';
import type { Case } from '../fhir/types';
import { dueTone, spanOf, timeOf, useNow } from '../words/time';
import { useWords } from '../words/words';
import en from './en.json';
import zh from './zh.json';

// HeldBed says in one line how the case stands with a bed: held and until when, reserved, on the way, or still waited for.
export function HeldBed({ data }: { data: Case }) {
  const t = useWords({ zh, en });
  const now = useNow();
  const o = data.outcome;
  if (!o || data.row.stateKind !== 'open') return null;
  const bed = o.bed as { reference?: string; display?: string } | undefined;
  const [reserved, until, arrival, promised, since] = ['bed-reserved', 'bed-until', 'bed-arrival', 'bed-promised', 'waiting-since'].map((k) => (typeof o[k] === 'string' ? (o[k] as string) : ''));
  const has = !!bed?.reference || !!reserved;
  if (!has && !['accepted-no-bed', 'waiting'].includes(data.row.state)) return null;
  if (!has)
    return (
      <div className="strip strip-soon held-bed" role="note">
        <span className="strip-label">{t('noBedYet')}</span>
        {since && <span>{t('waitsFor.bed', { t: spanOf(now - Date.parse(since)) })}</span>}
        {promised ? <span>{t('bedPromised', { t: timeOf(promised) })}{Date.parse(promised) < now && <b className="late-word"> {t('promisePassed')}</b>}</span> : <span>{t('bedNotPromised')}</span>}
      </div>
    );
  const left = until ? Date.parse(until) - now : 0;
  const tone = until ? dueTone(until, arrival || undefined, now) : 'calm';
  return (
    <div className="strip held-bed" role="note">
      <span className="strip-label">{bed?.reference ? t('bedHeld') : t('bedReserved')}</span>
      <b>{bed?.reference ? <Link to="/lines/bedpool/board">{bed.display || bed.reference}</Link> : reserved}</b>
      {arrival && <span className="num">{t('bedArrival', { t: timeOf(arrival) })}</span>}
      {until ? <span className={`num due-${tone}`}>{left > 0 ? t('bedUntil', { t: timeOf(until), left: spanOf(left) }) : t('bedLapsing')}</span> : <span>{t('bedStays')}</span>}
    </div>
  );
}
