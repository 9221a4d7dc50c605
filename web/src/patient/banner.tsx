import EyeOutlined from '@ant-design/icons/es/icons/EyeOutlined';
import { App, Button } from 'antd';
import { useState } from 'react';
import { Link } from 'react-router';
import { idOf, post } from '../fhir/client';
import { usePatient } from '../fhir/queries';
import type { Banner, RowPatient } from '../fhir/types';
import { dateOf } from '../words/time';
import { useLang, useMarks, useWords } from '../words/words';
import en from './en.json';
import { ageOf, useSex } from './sex';
import zh from './zh.json';

// PatientBanner stands on top of everything about a patient: who, allergies, alerts.
export function PatientBanner({ reference, fallback, link = true }: { reference?: string; fallback?: RowPatient; link?: boolean }) {
  const page = usePatient(reference);
  const banner: Partial<Banner> & { name: string } = page.data?.pages[0]?.banner ?? { ...fallback, name: fallback?.name ?? '' };
  return <BannerView banner={banner} reference={reference} loading={page.isLoading} failed={!!page.error} link={link} />;
}

export function BannerView({ banner: b, reference, loading, failed, link }: {
  banner: Partial<Banner> & { name: string }; reference?: string; loading?: boolean; failed?: boolean; link?: boolean;
}) {
  const t = useWords({ zh, en });
  const marks = useMarks();
  const lang = useLang();
  const sex = useSex();
  const allergies = b.allergies ?? [];
  const alerts = b.alerts ?? [];
  return (
    <header className="banner" aria-label={t('banner')}>
      <div className="banner-who">
        {link && reference ? <Link className="banner-name" to={`/patients/${idOf(reference)}`}>{b.name || t('noName')}</Link> : <span className="banner-name">{b.name || t('noName')}</span>}
        <span>{sex(b.sex)}</span>
        <span>{ageOf(b.age, b.birthDate, lang)}</span>
        {b.birthDate && <span className="num"><span className="banner-label">{t('born')}</span> {dateOf(b.birthDate)}</span>}
        {b.idMasked && <Masked label={t('idNumber')} masked={b.idMasked} field="id" reference={reference} />}
        {b.phoneMasked && <Masked label={t('phone')} masked={b.phoneMasked} field="phone" reference={reference} />}
        {b.custodian?.display && <span className="not-phone"><span className="banner-label">{t('custodian')}</span> {b.custodian.display}</span>}
      </div>
      <div className="banner-alerts">
        {failed ? <span className="quiet">{t('bannerFailed')}</span>
          : loading ? <span className="quiet">…</span>
          : allergies.length ? <span className="allergy"><b>{t('allergies')}</b> {allergies.join(marks.list)}</span>
          : <span className="quiet">{t('noAllergies')}</span>}
        {alerts.length > 0 && <span className="alert"><b>{t('alerts')}</b> {alerts.join(marks.list)}</span>}
      </div>
    </header>
  );
}

function Masked({ label, masked, field, reference }: { label: string; masked: string; field: 'id' | 'phone'; reference?: string }) {
  const t = useWords({ zh, en });
  const marks = useMarks();
  const { message } = App.useApp();
  const [value, setValue] = useState('');
  const [busy, setBusy] = useState(false);
  async function reveal() {
    setBusy(true);
    try {
      const said = await post<{ value: string }>(`/api/patients/${idOf(reference)}/reveal`, { field });
      setValue(said.value);
    } catch (e) {
      void message.error((e as Error).message || t('revealFailed'));
    } finally {
      setBusy(false);
    }
  }
  return (
    <span className="nowrap num">
      <span className="banner-label">{label}</span> {value || masked}
      {reference && (value
        ? <Button type="link" size="small" onClick={() => setValue('')}>{t('hide')}</Button>
        : <Button type="link" size="small" loading={busy} icon={<EyeOutlined aria-hidden />} title={t('revealSays')} aria-label={`${t('reveal')} ${label}${marks.aside(t('revealSays'))}`} onClick={() => void reveal()} />)}
    </span>
  );
}
