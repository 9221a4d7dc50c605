import { useQuery } from '@tanstack/react-query';
import { get } from '../../../web/src/fhir/client';
import type { Name, Ref, StateKind } from '../../../web/src/fhir/types';

export interface Coded { code: string; name: Name }
export interface Detail {
  text: string; weAsk: Coded[]; theyAsk: Coded[]; documents: Ref[];
  signers: { org: Ref; name: string; at: string }[];
  suspended?: { by: string; reason: string; at: string };
}
export interface Agreement {
  id: string; task: string; title: string; kind: Coded; state: string; stateName: Name; stateKind: StateKind;
  requester: Ref; owner: Ref; other: Ref; lead: Ref | null; services: Coded[]; specialties: Coded[]; sharing: string;
  from?: string; until?: string; daysLeft?: number; inForce: boolean; mine: boolean; changed: string; detail?: Detail;
}
export interface Coverage { covered: number; total: number }
export interface List { rows: Agreement[]; summary: { inForce: number; partners: number; expiring: number; waiting: number; townships: Coverage; villages: Coverage } }

export const useAgreements = () => useQuery({ queryKey: ['agreements'], queryFn: () => get<List>('/api/agreements'), staleTime: 15_000 });
export const useAgreement = (id: string) => useQuery({ queryKey: ['agreement', id], queryFn: () => get<Agreement>(`/api/agreements/${id}`), enabled: !!id });

// The tabs in the order of a desk's questions: what waits for us, what holds, what comes, what is stopped, what is over.
export const groups: Record<string, (a: Agreement) => boolean> = {
  all: (a) => a.stateKind === 'open',
  mine: (a) => a.mine,
  force: (a) => a.inForce,
  signing: (a) => ['draft', 'proposed', 'signed-by-requester', 'signed-by-owner'].includes(a.state) || (a.state === 'signed' && !a.inForce),
  suspended: (a) => a.state === 'suspended',
  over: (a) => a.stateKind !== 'open' || (!a.inForce && a.state === 'active'),
};
