import { useQuery, useQueryClient } from '@tanstack/react-query';
import { App, Button } from 'antd';
import { lazy, Suspense, useState } from 'react';
import { get, post } from '../fhir/client';
import { useName, useWords } from '../words/words';
import type { Coded } from './reason-dialog';
import en from './reasons.en.json';
import zh from './reasons.zh.json';

const ReasonDialog = lazy(() => import('./reason-dialog'));

interface Reasons { mayBreakGlass: boolean; breakGlass: Coded[]; further: Coded[]; kinds: Coded[]; hours: number; perDay: number; furtherHours: number }
interface Opened { parameter?: { name: string; valueReference?: { reference: string } }[] }

export const useReasons = () => useQuery({ queryKey: ['reasons'], queryFn: ({ signal }) => get<Reasons>('/api/reasons', signal), staleTime: Infinity });

// useReasonWords says a reason as a person reads it.
export function useReasonWords() {
  const name = useName();
  const known = useReasons().data;
  return (code: string) => {
    const one = known && [...known.breakGlass, ...known.further].find((r) => r.code === code);
    return one ? name(one.name) : code;
  };
}

// whole is a number that names one person: an ID number, an insurance or record number.
export const whole = (typed: string) => /^[0-9A-Za-z-]{6,30}$/.test(typed.trim()) && /[0-9]{5}/.test(typed);

// BreakGlass opens a closed record in an emergency, by an exact number.
export function BreakGlass({ identifier, onOpened }: { identifier: string; onOpened: (reference: string) => void }) {
  const t = useWords({ zh, en });
  const reasons = useReasons();
  const [open, setOpen] = useState(false);
  if (!reasons.data?.mayBreakGlass) return null;
  return (
    <>
      <Button size="small" danger onClick={() => setOpen(true)}>{t('breakGlass')}</Button>
      {open && (
        <Suspense><ReasonDialog title={t('breakGlass')} says={t('breakGlassSays', { h: reasons.data.hours, n: reasons.data.perDay })} reasons={reasons.data.breakGlass} onClose={() => setOpen(false)}
          onGiven={async (reason, text) => {
            const said = await post<Opened>('/fhir/Patient/$break-glass', parameters({ identifier, reason, text }));
            setOpen(false);
            const found = said.parameter?.find((p) => p.name === 'patient')?.valueReference?.reference;
            if (found) onOpened(found);
          }} /></Suspense>
      )}
    </>
  );
}

// Withheld says that a record holds guarded data, and opens it for a further reason.
export function Withheld({ patient }: { patient: string }) {
  const t = useWords({ zh, en });
  const client = useQueryClient();
  const { message } = App.useApp();
  const [open, setOpen] = useState(false);
  const reasons = useReasons();
  const there = useQuery({ queryKey: ['withheld', patient], queryFn: ({ signal }) => get<{ withheld: boolean }>(`/api/patients/${patient.split('/')[1]}/withheld`, signal) });
  if (!there.data?.withheld || !reasons.data) return null;
  return (
    <p className="quiet pad" role="note">
      {t('withheld')} <Button size="small" onClick={() => setOpen(true)}>{t('giveReason')}</Button>
      {open && (
        <Suspense><ReasonDialog title={t('giveReason')} says={t('furtherSays', { h: reasons.data.furtherHours })} reasons={reasons.data.further} kinds={reasons.data.kinds} onClose={() => setOpen(false)}
          onGiven={async (reason, text, kinds) => {
            await post(`/fhir/${patient}/$further-reason`, parameters({ reason, text }, kinds));
            setOpen(false);
            void message.success(t('opened'));
            await client.invalidateQueries();
          }} /></Suspense>
      )}
    </p>
  );
}

function parameters(values: Record<string, string>, kinds: string[] = []) {
  const parameter = Object.entries(values).map(([name, valueString]) => ({ name, valueString }));
  return { resourceType: 'Parameters', parameter: [...parameter, ...kinds.map((k) => ({ name: 'kinds', valueString: k }))] };
}
