import { useQuery } from '@tanstack/react-query';
import { get } from '../../../web/src/fhir/client';
import type { Name } from '../../../web/src/fhir/types';

// What the pool's API says, as internal/api/beds*.go writes it.

export type BedState = 'free' | 'held' | 'occupied' | 'cleaning' | 'closed' | 'lent';
export type Level = 'general' | 'hdu' | 'icu' | 'ccu' | 'isolation' | 'neonatal' | 'vip';
export type Equipment = 'monitor' | 'oxygen' | 'negative-pressure' | 'ventilator' | 'dialysis';
export type RoomRule = 'male' | 'female' | 'mixed' | 'single';
export type BedUrgency = 'emergency' | 'urgent' | 'cancer' | 'elective';

export interface Pool { id: string; name: string }
export interface Pools { pools: Pool[] | null }

export interface Campus { id: string; name: string; role?: string }
export interface Ward {
  id: string; // "Location/…"
  org?: string; // "Organization/…" that answers for it
  name: string;
  campus: string;
  group?: string;
  specialties?: string[] | null;
  kinds?: string[] | null; // protected
  lends?: boolean;
  reserve?: number;
  capacity?: number; // nursing points of this shift
  load?: number;
  stale?: boolean;
}
export interface Room { id: string; name: string; rule: RoomRule }
export interface Occupant {
  task?: string; line?: string; version?: string; name?: string; sex?: string; age?: number; patient?: string;
  home?: string; // ward or department that is responsible
  homeName?: string; team?: string; since?: string; nursing?: string;
}
export interface Bed {
  id: string; // "Location/…"
  name: string;
  ward: string;
  room: string;
  level: Level;
  equipment?: Equipment[] | null;
  state: BedState;
  until?: string; // end of the hold, of cleaning, or planned discharge
  likely?: number;
  frozen?: boolean; // its patient is in transit
  expected?: string; // arrival
  reason?: string;
  occupant?: Occupant;
}
export interface Board { at: string; since: string; whole: boolean; campuses?: Campus[] | null; wards?: Ward[] | null; rooms?: Room[] | null; beds: Bed[] | null }

export interface Needs {
  specialty?: string; specialtyName?: string; ward?: string; wardName?: string; team?: string; urgency: BedUrgency; sex?: string; level?: Level; isolation?: string;
  equipment?: Equipment[] | null; nursing?: string; kind?: string; campuses?: string[] | null; companion?: boolean; age?: number; at?: string;
}
export interface Waiter {
  task: string; line: string; flow: string; version: string;
  patient: { reference?: string; name?: string; sex?: string; age?: number };
  needs: Needs; since: string; promised?: string; reason?: string; reasonName?: Name; source?: string; from?: string; late?: boolean;
  booking?: { thing: string; state: string; expires?: string; from?: string };
}
export interface Waiting { rows: Waiter[] | null; total?: number }
export interface Term { code: string; points: number; zh: string; en: string }
export interface Proposal { request: string; bed?: string; cost: number; terms?: Term[] | null; zh: string; en: string; against?: Record<string, number> | null }
export interface Objection { code: string; zh: string; en: string; override?: boolean }
export interface Why { objections?: Objection[] | null; terms?: Term[] | null; cost?: number }

// Of all beds at once, for one waiter: what fits, and by code what does not. GET why?task= without a bed.
export interface Fits { fits: string[] | null; against: Record<string, string[]> | null; words?: Record<string, Name> | null }

export const usePools = () => useQuery({ queryKey: ['beds', 'pools'], queryFn: ({ signal }) => get<Pools>('/api/beds/pools', signal), staleTime: 300_000 });
