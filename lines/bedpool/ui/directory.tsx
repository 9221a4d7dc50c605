import { Select } from 'antd';
import { Link, useSearchParams } from 'react-router';
import { query } from '../../../web/src/fhir/client';
import { EmptyState, ErrorState, Loading } from '../../../web/src/states/states';
import { timeOf } from '../../../web/src/words/time';
import { useName } from '../../../web/src/words/words';
import type { DirectoryRow } from './api';
import { hours, levels, useDirectory, useFigureWords } from './figures';
import { Bar } from './plots';
import './figures.css';

// What each hospital can take now, in the order in which to ask, and why in that order.
export default function DirectoryTab() {
  const t = useFigureWords();
  const [url, setUrl] = useSearchParams();
  const ask = { specialty: url.get('specialty') ?? '', level: url.get('level') ?? '' };
  const list = useDirectory(ask);
  const choose = (k: string) => (v: string) => setUrl((before) => {
    const next = new URLSearchParams(before);
    if (v) next.set(k, v);
    else next.delete(k);
    return next;
  }, { replace: true });
  const rows = list.data?.rows ?? [];
  const others = rows.filter((r) => !r.own);
  const own = rows.filter((r) => r.own);
  const specialties = [...new Map([...(list.data?.specialties ?? []), ...rows.map((r) => ({ code: r.specialty, name: r.specialtyName ?? r.specialty }))].map((s) => [s.code, s])).values()];
  return (
    <section className="figures" aria-label={t('directorySays')}>
      <div className="filters">
        <Select size="small" showSearch optionFilterProp="label" aria-label={t('specialty')} value={ask.specialty} style={{ minWidth: 168 }} popupMatchSelectWidth={false}
          options={[{ value: '', label: `${t('specialty')}：${t('any')}` }, ...specialties.map((s) => ({ value: s.code, label: s.name }))]} onChange={choose('specialty')} />
        <Select size="small" aria-label={t('level')} value={ask.level} style={{ minWidth: 140 }} popupMatchSelectWidth={false}
          options={[{ value: '', label: `${t('level')}：${t('any')}` }, ...levels.map((l) => ({ value: l, label: t(`level.${l}`) }))]} onChange={choose('level')} />
        <span className="quiet small">{t('directorySays')}</span>
      </div>
      {list.error && !list.data ? <ErrorState error={list.error} onRetry={() => void list.refetch()} />
        : !list.data ? <Loading rows={12} />
        : rows.length === 0 ? <EmptyState title={t('noHospitals')} hint={t('noHospitalsHint')} />
        : (
          <div className="list-scroll" tabIndex={0} role="region" aria-label={t('hospital')}>
            <table className="plain directory">
              <thead>
                <tr>
                  <th scope="col">{t('hospital')}</th>{!ask.specialty && <th scope="col">{t('specialty')}</th>}<th scope="col">{t('level')}</th><th scope="col">{t('free')}</th><th scope="col" className="right">{t('today')}</th>
                  <th scope="col">{t('wait')}</th><th scope="col" className="right">{t('distance')}</th><th scope="col">{t('agreement')}</th><th scope="col">{t('why')}</th><th scope="col"><span className="sr">{t('refer')}</span></th>
                </tr>
              </thead>
              <tbody>{others.map((r, i) => <Row key={`${r.institution} ${r.specialty} ${r.level}`} r={r} named={!ask.specialty} first={i === 0 && r.free > 0 && !!(ask.specialty || ask.level)} />)}
                {others.length === 0 && <tr><td colSpan={ask.specialty ? 9 : 10} className="quiet">{t('noOthers')}</td></tr>}
              </tbody>
              {own.length > 0 && (
                <tbody aria-label={t('own')}>
                  <tr><th scope="rowgroup" colSpan={ask.specialty ? 9 : 10}>{t('own')} <span className="quiet small">{t('ownSays')}</span></th></tr>
                  {own.map((r) => <Row key={`${r.institution} ${r.specialty} ${r.level}`} r={r} named={!ask.specialty} first={false} />)}
                </tbody>
              )}
            </table>
          </div>
        )}
    </section>
  );
}

function Row({ r, named, first }: { r: DirectoryRow; named: boolean; first: boolean }) {
  const t = useFigureWords();
  const say = useName();
  const wait = r.p50 === undefined ? t('none') : r.p90 === undefined ? hours(r.p50) : t('waitOf', { p50: hours(r.p50), p90: hours(r.p90) });
  return (
    <tr className={first ? 'row-mine' : undefined}>
      <td><b>{r.name}</b> {first && <span className="ward-mark mark-first">{t('ask')}</span>}{r.own && <span className="ward-mark">{t('own')}</span>}</td>
      {named && <td className="nowrap">{r.specialtyName ?? r.specialty}</td>}
      <td className="nowrap">{t(`level.${r.level}`)}</td>
      <td><span className="load"><Bar share={r.beds ? r.free / r.beds : 0} tone="share-free" /><span className={`num ${r.free === 0 ? 'late-word' : ''}`}>{t('freeOf', { n: r.free, of: r.beds })}</span></span></td>
      <td className="right num">{r.today || ''}</td>
      <td className="nowrap">{wait}</td>
      <td className="right num nowrap">{r.distance === undefined ? t('none') : t('km', { n: Math.round(r.distance) })}</td>
      <td>{r.own ? '' : t(r.agreed ? 'agreed' : 'notAgreed')}</td>
      <td className="small" title={t('asOf', { at: timeOf(r.at) })}>{(r.reasons ?? []).map(say).join('；')}</td>
      <td className="right nowrap">{!r.own && <Link to={`/lines/referral/new${query({ flow: 'up', to: r.institution, toName: r.name })}`} aria-label={t('referTo', { name: r.name })}>{t('refer')}</Link>}</td>
    </tr>
  );
}
