import { App } from 'antd';
import { lazy, Suspense, useEffect, useState } from 'react';
import { get, onProof } from '../fhir/client';
import type { Factors } from './types';

const ProofDialog = lazy(() => import('./proof-dialog'));
const noFactors: Factors = { factors: [], recovery: 0, needed: false, passkeys: false, proved: false, strong: false };

// Proof asks again who somebody is when the server wants that for an act; the act then goes on by itself.
export function Proof() {
  const { message } = App.useApp();
  const [asked, setAsked] = useState<{ factors: Factors; done: (proved: boolean) => void } | null>(null);
  useEffect(() => onProof(async () => {
    const factors = await get<Factors>('/api/me/factors').catch(() => noFactors);
    return new Promise<boolean>((resolve) => setAsked({ factors, done: (proved) => { setAsked(null); resolve(proved); } }));
  }), []);
  if (!asked) return null;
  return <Suspense><ProofDialog factors={asked.factors} onDone={asked.done} onLeft={(why) => { asked.done(false); void message.info(why); }} /></Suspense>;
}
