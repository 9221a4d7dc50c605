import { Input, Select } from 'antd';
import { useState } from 'react';
import { EmptyState, ErrorState, Loading } from '../states/states';
import { useLang, useName, useWords } from '../words/words';
import { spanText, termName, useCatalogue, usePartners } from './data';
import en from './en.json';
import './registry.css';
import zh from './zh.json';

// Partners finds who in the network can do something.
export default function Partners() {
  const t = useWords({ zh, en });
  const lang = useLang();
  const say = useName();
  const terms = useCatalogue();
  const [find, setFind] = useState('');
  const [q, setQ] = useState('');
  const [category, setCategory] = useState('');
  const all = usePartners(q, category);
  const list = all.data ?? [];
  return (
    <section className="sheet" aria-label={t('partners')}>
      <div className="sheet-head">
        <h1>{t('partners')}</h1><span className="quiet num">{all.data ? list.length : ''}</span>
        <Input.Search allowClear size="small" placeholder={t('findCapability')} aria-label={t('findCapability')} value={find} style={{ maxWidth: 280 }} onChange={(e) => {
          setFind(e.target.value);
          if (!e.target.value) setQ('');
        }} onSearch={(v) => setQ(v.trim())} />
        <Select size="small" aria-label={t('category')} value={category} onChange={setCategory} style={{ width: 140 }} options={[{ value: '', label: t('anyCategory') }, ...(terms.data?.capabilities ?? []).map((c) => ({ value: c.code, label: lang === 'en' ? c.en : c.zh }))]} />
      </div>
      <div className="subs-list" tabIndex={0} role="region" aria-label={t('partners')}>
        {all.error && !all.data ? <ErrorState error={all.error} onRetry={() => void all.refetch()} /> : all.isLoading ? <Loading rows={14} />
          : list.length === 0 ? <EmptyState title={t('partnersEmpty')} hint={t('partnersEmptyHint')} />
          : (
            <table className="plain" aria-label={t('partners')}>
              <thead><tr><th scope="col">{t('institution')}</th><th scope="col">{t('service')}</th><th scope="col">{t('category')}</th><th scope="col">{t('offeredTerm')}</th><th scope="col">{t('phone')}</th><th scope="col">{t('state')}</th></tr></thead>
              <tbody>{list.map((p) => (
                <tr key={p.reference} className={p.inForce ? '' : 'row-over'}>
                  <td><b>{p.institution.display}</b>{p.own && <span className="quiet small"> {t('own')}</span>} <span className="quiet small">{termName(terms.data?.levels, p.level, lang)}</span></td>
                  <td>{p.name}{p.comment && <div className="quiet small">{p.comment}</div>}</td>
                  <td>{p.category && say(p.category.name)}</td>
                  <td className="num nowrap">{p.from || p.until ? spanText(p, t('open')) : <span className="quiet">{t('open')}</span>}</td>
                  <td className="num nowrap">{p.phone}</td>
                  <td><span className={`mark ${p.inForce ? 'mark-done' : 'mark-closed'}`}>{t(p.inForce ? 'inForce' : 'notNow')}</span></td>
                </tr>
              ))}</tbody>
            </table>
          )}
      </div>
    </section>
  );
}
