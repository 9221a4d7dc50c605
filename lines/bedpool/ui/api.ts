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
export interface Holds { soon: BedUrgency[] | null; grace: string; assumed: string; by: string } // spans as 1h30m, a time of day
export interface Board { holds?: Holds; at: string; since: string; whole: boolean; campuses?: Campus[] | null; wards?: Ward[] | null; rooms?: Room[] | null; beds: Bed[] | null }

export interface Needs {
  specialty?: string; specialtyName?: string; ward?: string; wardName?: string; team?: string; urgency: BedUrgency; sex?: string; level?: Level; isolation?: string;
  equipment?: Equipment[] | null; nursing?: string; kind?: string; campuses?: string[] | null; companion?: boolean; age?: number; at?: string;
}
export interface Waiter {
  task: string; line: string; flow: string; version: string;
  patient: { reference?: string; name?: string; sex?: string; age?: number };
  needs: Needs; since: string; promised?: string; reason?: string; reasonName?: Name; source?: string; from?: string; late?: boolean;
  booking?: { thing: string; state: string; expires?: string; from?: string; due?: boolean }; // due: a place reserved for today that is to become a bed now
}
export interface Waiting { rows: Waiter[] | null; total?: number }
export interface Term { code: string; points: number; zh: string; en: string }
export interface Proposal { request: string; bed?: string; cost: number; terms?: Term[] | null; zh: string; en: string; against?: Record<string, number> | null; soon?: string; soonAt?: string; soonLikely?: number; due?: boolean } // soon: a bed that would fit and is expected to free: what may be promised
export interface Objection { code: string; zh: string; en: string; override?: boolean }
export interface Why { objections?: Objection[] | null; terms?: Term[] | null; cost?: number }

// Of all beds at once, for one waiter: what fits, and by code what does not. GET why?task= without a bed.
export interface Fits { fits: string[] | null; against: Record<string, string[]> | null; words?: Record<string, Name> | null }

export const usePools = () => useQuery({ queryKey: ['beds', 'pools'], queryFn: ({ signal }) => get<Pools>('/api/beds/pools', signal), staleTime: 300_000 });

// GET /api/beds/shifts?pool=&at= : what each ward can bear in the shift at a time (now), and in those after it.
export interface ShiftKind { code: string; zh: string; en: string; from: string; until: string; points: number } // hh:mm; points that one nurse bears
export interface Staffing { shift: string; starts: string; ends: string; nurses?: number; points?: number; source?: 'head-nurse' | 'nursing-duty' | 'roster'; by?: string; at?: string } // no nurses = not set
export interface ShiftWard { ward: string; name: string; campus?: string; campusName?: string; beds: number; patients: number; load: number; mine?: boolean; shifts: Staffing[] } // mine: the caller may set it; this shift first
export interface Shifts { at: string; kinds: ShiftKind[] | null; wards: ShiftWard[] | null }
// PUT /api/beds/shifts
export interface SetShift { ward: string; at: string; nurses: number; points?: number }

// GET /api/beds/leader?pool=&from=&to= (days, both included). Shares are 0 to 1, waits are hours.
export interface Stand { beds: number; occupied: number; free: number; held: number; cleaning: number; closed: number; lent: number; mean?: number } // now, lent among occupied; mean occupancy of the period
export interface LeaderWard extends Stand { id: string; name: string; campus: string; refused: number; lentDays: number; stale?: boolean }
export interface LeaderWait { urgency: BedUrgency; waiting: number; longest?: number; served: number; p50?: number; p90?: number }
export interface LeaderDay { day: string; occupied: number; beds: number; lent: number; refused: number; lapsed: number; displaced: number; p50?: number }
export interface Leader {
  from: string; to: string; at: string; campuses: (Stand & { id: string; name: string })[] | null; wards: LeaderWard[] | null; waits: LeaderWait[] | null; days: LeaderDay[] | null;
  refusals: { code: string; zh: string; en: string; n: number }[] | null; // by hard rule
  holds: { held: number; lapsed: number; displaced: number; overridden: number };
}

// GET /api/beds/directory?specialty=&level=&near= : in the order in which to ask, with reasons.
export interface DirectoryRow {
  institution: string; name: string; specialty: string; specialtyName?: string; level: Level; beds: number; free: number; today: number; // today: expected to become free
  p50?: number; p90?: number; distance?: number; agreed?: boolean; own?: boolean; at: string; reasons?: Name[] | null;
}
export interface Directory { rows: DirectoryRow[] | null; specialties?: { code: string; name: string }[] | null }
