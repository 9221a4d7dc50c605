import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { call, get, idOf, query } from '../fhir/client';
import type { Name, Ref } from '../fhir/types';
import { dateOf } from '../words/time';

export interface Term { code: string; zh: string; en: string; source?: string; verified?: boolean; includes?: string[] }
export interface Post extends Term { dual?: boolean; rota?: boolean; duties?: Term[] }
export interface Approval extends Term { by: string[]; both?: boolean }
export interface Catalogue {
  types: Term[]; levels: Term[]; grades: Term[]; capabilities: Term[]; kinds: Term[]; bases: Term[]; rights: Term[]; posts: Post[]; approvals: Approval[]; acts: Term[]; roles: Term[]; tables: Term[];
}
interface Span { from?: string; until?: string }
export interface Right extends Span { code: string; name: Name; inForce: boolean }
export interface Held extends Span {
  role: string; version: number; code: string; name: Name; person: Ref; org: Ref; standsFor?: string; known?: string;
  basis?: { code: string; name: Name }; rights: Right[]; away?: Span[]; inForce: boolean; acting: boolean; here?: boolean;
}
export interface Licence extends Span { kind: string; name: Name; number?: string; scope?: string; places: Ref[]; suspended?: boolean; inForce: boolean }
export interface Member { reference: string; name: string; sex?: string; number?: string; active: boolean; licences: Licence[]; posts: Held[]; ends?: string; version?: string }
export interface ActNow { code: string; name: Name; may: boolean; why?: Name; refusal?: string }
export interface Ending { what: string; person: Ref; name: Name; number?: string; orgs: Ref[]; until: string; over: boolean; role?: string }
export interface Partner extends Span { reference: string; name: string; category?: { code: string; name: Name }; comment?: string; phone?: string; by: Ref; institution: Ref; level?: string; inForce: boolean; own: boolean }
export interface TeamMember extends Span { person: Ref; head: boolean; inForce: boolean }
export interface Team extends Span { id: string; name: string; org: Ref; active: boolean; version: number; members: TeamMember[]; may: boolean }
export interface Assigned extends Span { id: string; patient: Ref; active: boolean }
export interface Problem { table: string; row: number; column: string; code: string; zh: string; en: string; value?: string }
export interface PlanLine { table: string; row: number; reference: string; name: string; outcome: string; changes?: string[] }
export interface Plan { problems: Problem[]; more: number; lines: PlanLine[]; counts: Record<string, number>; applied: boolean }

export const useCatalogue = () => useQuery({ queryKey: ['registry', 'catalogue'], queryFn: () => get<Catalogue>('/api/registry/catalogue'), staleTime: Infinity });
export const usePosts = (org: string, known = '') =>
  useQuery({ queryKey: ['registry', 'posts', org, known], queryFn: async () => (await get<{ held: Held[] }>(`/api/registry/posts${query({ org, known })}`)).held ?? [], enabled: !!org });
export const useWhoWas = (org: string, at: string, known: string) =>
  useQuery({ queryKey: ['registry', 'who', org, at, known], queryFn: async () => (await get<{ held: Held[] }>(`/api/registry/who${query({ org, at, known })}`)).held ?? [], enabled: !!org && !!at });
export const usePeople = (org: string, q: string) =>
  useInfiniteQuery({
    queryKey: ['registry', 'people', org, q], queryFn: ({ pageParam }) => get<{ people: Member[] | null; next?: string }>(`/api/registry/people${query({ org, q, cursor: pageParam })}`),
    initialPageParam: '', getNextPageParam: (last) => last.next || undefined, placeholderData: (before) => before,
  });
export const useMember = (reference: string) =>
  useQuery({ queryKey: ['registry', 'person', reference], queryFn: () => get<Member>(`/api/registry/people/${idOf(reference)}`), enabled: !!reference });
export const useActs = (person: string, org: string) =>
  useQuery({ queryKey: ['registry', 'acts', person, org], queryFn: async () => (await get<{ acts: ActNow[] }>(`/api/registry/acts${query({ person, org })}`)).acts ?? [], enabled: !!person && !!org });
export const useEndings = () => useQuery({ queryKey: ['registry', 'expiring'], queryFn: async () => (await get<{ endings: Ending[] | null }>('/api/registry/expiring')).endings ?? [] });
export const usePartners = (q: string, category: string) =>
  useQuery({ queryKey: ['registry', 'partners', q, category], queryFn: async () => (await get<{ partners: Partner[] | null }>(`/api/registry/partners${query({ q, category })}`)).partners ?? [], placeholderData: (before) => before });
export const useTeams = (org: string) =>
  useQuery({ queryKey: ['registry', 'teams', org], queryFn: async () => (await get<{ teams: Team[] | null }>(`/api/registry/teams${query({ org })}`)).teams ?? [] });
export const useTeamPatients = (id: string) =>
  useQuery({ queryKey: ['registry', 'team-patients', id], queryFn: async () => (await get<{ patients: Assigned[] | null }>(`/api/registry/teams/${id}/patients`)).patients ?? [], enabled: !!id });

// lastDay is the last day of a span whose end is the moment after it.
export function lastDay(until?: string): string {
  return until ? dateOf(new Date(new Date(until).getTime() - 1).toISOString()) : '';
}
export const spanText = (s: Span, open: string) => `${s.from ? dateOf(s.from) : open} – ${s.until ? lastDay(s.until) : open}`;
export const termName = (list: Term[] | undefined, code?: string, lang = 'zh') => {
  const t = list?.find((x) => x.code === code);
  return t ? (lang === 'en' ? t.en : t.zh) : (code ?? '');
};

// A FHIR resource as the forms change it; what they do not know stays.
export interface Extension { url: string; valueCode?: string; valueString?: string; valueBoolean?: boolean; valueReference?: Ref; valuePeriod?: { start?: string; end?: string }; extension?: Extension[] }
export interface Coded { coding?: { system?: string; code?: string; display?: string }[]; text?: string }
export interface Identifier { system?: string; value?: string; period?: { start?: string; end?: string }; assigner?: Ref }
export interface Resource { resourceType: string; id?: string; meta?: { versionId?: string; lastUpdated?: string }; extension?: Extension[]; identifier?: Identifier[]; active?: boolean }

const ours = 'https://xinglin.health/fhir';
export const system = {
  credit: `${ours}/sid/social-credit-code`, institution: `${ours}/sid/institution-code`, insurance: `${ours}/sid/insurance-institution-code`, staff: `${ours}/sid/staff-number`, licence: `${ours}/sid/licence-number`,
  kind: `${ours}/CodeSystem/licence-kind`, post: `${ours}/CodeSystem/post`, role: `${ours}/CodeSystem/role`, capability: `${ours}/CodeSystem/capability`,
};
export const address = {
  level: `${ours}/StructureDefinition/institution-level`, grade: `${ours}/StructureDefinition/hospital-grade`, area: `${ours}/StructureDefinition/area-code`, place: `${ours}/StructureDefinition/licence-place`,
  scope: `${ours}/StructureDefinition/licence-scope`, suspended: `${ours}/StructureDefinition/licence-suspended`, basis: `${ours}/StructureDefinition/practice-basis`, right: `${ours}/StructureDefinition/granted-right`,
  standsFor: `${ours}/StructureDefinition/stands-for`, service: `${ours}/StructureDefinition/service-period`,
};

export const codeOf = (r: { extension?: Extension[] } | null | undefined, url: string) => r?.extension?.find((e) => e.url === url)?.valueCode ?? '';
// withExtension puts, replaces or (undefined) takes away the extensions of one address.
export function withExtension(list: Extension[] | undefined, url: string, ...now: (Extension | undefined)[]): Extension[] | undefined {
  const all = [...(list ?? []).filter((e) => e.url !== url), ...now.filter((e): e is Extension => !!e)];
  return all.length ? all : undefined;
}
export function withNumber(list: Identifier[] | undefined, sys: string, value: string): Identifier[] | undefined {
  const old = list?.find((i) => i.system === sys);
  if (old && old.value === value) return list;
  const all = [...(list ?? []).filter((i) => i.system !== sys), ...(value ? [{ system: sys, value }] : [])];
  return all.length ? all : undefined;
}
export const numberOf = (r: { identifier?: Identifier[] } | null | undefined, sys: string) => r?.identifier?.find((i) => i.system === sys)?.value ?? '';

// save writes a resource on the version that was read; a new one gets its id from the server.
export function save<T extends Resource>(r: T): Promise<T> {
  const body = JSON.parse(JSON.stringify(r)) as T;
  return call<T>(r.id ? `/fhir/${r.resourceType}/${r.id}` : `/fhir/${r.resourceType}`, {
    method: r.id ? 'PUT' : 'POST', body, headers: { Prefer: 'return=representation', ...(r.meta?.versionId ? { 'If-Match': `W/"${r.meta.versionId}"` } : {}) },
  });
}
