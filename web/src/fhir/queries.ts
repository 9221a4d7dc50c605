import { useInfiniteQuery, useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { get, idOf, query } from './client';
import type {
  AuditEntry, AuditGroup, AuditWay, Case, Channel, Counts, Indicator, Line, Me, Notice, OrgNode, PatientPage, PatientRow, Row, Subscription, TrailCopy, User, Worklist,
} from './types';

export const useMe = () => useQuery({ queryKey: ['me'], queryFn: () => get<Me>('/api/me'), staleTime: 300_000, retry: false });
// What lines are seldom changes, and is asked for without their counts: who holds it already is answered 304.
export const useLines = () => useQuery({ queryKey: ['lines'], queryFn: () => get<Line[]>('/api/lines?counts=false'), staleTime: 600_000 });
// The counts come with the stream; only a page without one asks for them.
export const useCounts = (ask: boolean) =>
  useQuery({ queryKey: ['counts'], queryFn: () => get<Record<string, Counts>>('/api/counts'), enabled: ask, staleTime: 10_000, refetchInterval: ask && 60_000 });
export const useWork = () =>
  useQuery({ queryKey: ['work'], queryFn: () => get<Worklist>('/api/work?count=50'), refetchInterval: 300_000 });

export interface WorklistAsk { view: string; flow?: string; state?: string; urgency?: string; q?: string }
export const useWorklist = (slug: string, ask: WorklistAsk) =>
  useInfiniteQuery({
    queryKey: ['worklist', slug, ask],
    queryFn: ({ pageParam }) =>
      get<Worklist>(`/api/lines/${slug}/worklist${query({ ...ask, count: 50, cursor: pageParam })}`),
    initialPageParam: '',
    getNextPageParam: (last) => last.next || undefined,
    placeholderData: (before) => before,
    refetchInterval: 300_000,
  });

export const useCase = (slug: string, id: string) =>
  useQuery({ queryKey: ['case', slug, id], queryFn: () => get<Case>(`/api/lines/${slug}/cases/${id}`), enabled: !!id });

export const useOpenCases = (slug: string, patient?: string, to?: string) =>
  useQuery({
    queryKey: ['open', slug, patient, to],
    queryFn: async () => {
      const said = await get<Row[] | { rows: Row[] }>(`/api/lines/${slug}/open${query({ patient, to })}`);
      return (Array.isArray(said) ? said : (said?.rows ?? []))
        .map((r) => ('row' in r ? { ...(r as unknown as { row: Row; duplicate?: boolean }).row, duplicate: (r as { duplicate?: boolean }).duplicate } : r)) as Row[];
    },
    enabled: !!patient,
  });

export const usePatients = (q: string) =>
  useQuery({
    queryKey: ['patients', q],
    queryFn: ({ signal }) => get<PatientRow[]>(`/api/patients${query({ q, count: 20 })}`, signal),
    enabled: q.trim().length > 0,
    placeholderData: (before) => before,
    staleTime: 10_000,
  });

export const usePatient = (reference = '', kind = '', alone = false) =>
  useInfiniteQuery({
    queryKey: ['patient', idOf(reference), kind, alone],
    queryFn: ({ pageParam }) =>
      get<PatientPage>(`/api/patients/${idOf(reference)}${query({ kind, person: alone ? 'false' : '', cursor: pageParam })}`),
    initialPageParam: '',
    getNextPageParam: (last) => last.next || undefined,
    enabled: !!reference,
    staleTime: 30_000,
  });

export const useOrgs = (wanted = true) =>
  useQuery({ queryKey: ['orgs'], queryFn: () => get<OrgNode[]>('/api/admin/orgs'), staleTime: 300_000, enabled: wanted });
export const useUsers = () =>
  useQuery({
    queryKey: ['users'],
    queryFn: async () => {
      const said = await get<User[] | { users: User[] }>('/api/admin/users');
      return Array.isArray(said) ? said : (said?.users ?? []);
    },
  });
export interface GivenRole { role: string; roleName: { zh: string; en?: string }; unit?: boolean }
export const useGivenRoles = () =>
  useQuery({ queryKey: ['given-roles'], queryFn: async () => (await get<{ roles: GivenRole[] }>('/api/admin/roles')).roles, staleTime: Infinity });
export const useChannels = () =>
  useQuery({
    queryKey: ['channels'],
    queryFn: async () => {
      const said = await get<Channel[] | { channels: Channel[] }>('/api/admin/channels');
      return Array.isArray(said) ? said : (said?.channels ?? []);
    },
  });

// What is sent out changes by itself: both look again every ten seconds.
export const useSubscriptions = () =>
  useQuery({
    queryKey: ['subscriptions'], refetchInterval: 10_000,
    queryFn: async () => (await get<{ subscriptions: Subscription[] | null }>('/api/admin/subscriptions'))?.subscriptions ?? [],
  });
export const useSubscription = (id: string) =>
  useQuery({ queryKey: ['subscription', id], refetchInterval: 10_000, queryFn: () => get<Subscription>(`/api/admin/subscriptions/${encodeURIComponent(id)}`) });

export interface AuditAsk { patient?: string; user?: string; org?: string; from?: string; until?: string; action?: string; purpose?: string; marked?: string }
export const useAuditGroups = (ask: AuditAsk) =>
  useInfiniteQuery({
    queryKey: ['audit-groups', ask],
    queryFn: ({ pageParam }) =>
      get<{ groups: AuditGroup[] | null; next?: string }>(`/api/audit/groups${query({ ...ask, cursor: pageParam })}`),
    initialPageParam: '',
    getNextPageParam: (last) => last.next || undefined,
  });
export const useAuditWhy = (seq: number) =>
  useQuery({ queryKey: ['audit-why', seq], queryFn: () => get<{ ways: AuditWay[] | null }>(`/api/audit/why/${seq}`), staleTime: Infinity });
export const useTrailCopy = (id: string) =>
  useQuery({ queryKey: ['trail-copy', id], queryFn: () => get<TrailCopy>(id ? `/api/audit/patient/${encodeURIComponent(id)}` : '/api/me/trail'), staleTime: Infinity });
export const useAudit = (ask: AuditAsk) =>
  useInfiniteQuery({
    queryKey: ['audit', ask],
    queryFn: ({ pageParam }) =>
      get<{ entries: AuditEntry[] | null; next?: string }>(`/api/audit${query({ ...ask, cursor: pageParam })}`),
    initialPageParam: '',
    getNextPageParam: (last) => last.next || undefined,
  });

export const useUnread = () =>
  useQuery({ queryKey: ['notices', 'unread'], queryFn: async () => (await get<{ unread: number }>('/api/notices?count=0')).unread, staleTime: 30_000 });
export const useNotices = (wanted: boolean) =>
  useQuery({
    queryKey: ['notices', 'list'],
    queryFn: () => get<{ notices: Notice[] | null; unread: number }>('/api/notices?count=30'),
    staleTime: 30_000, enabled: wanted,
  });

export const useIndicators = (slug: string, ask: { from: string; to: string; org?: string }) =>
  useQuery({
    queryKey: ['indicators', slug, ask],
    queryFn: () => get<Indicator[]>(`/api/lines/${slug}/indicators${query(ask)}`),
    placeholderData: (before) => before,
  });
export const useIndicatorCases = (slug: string, code: string, ask: { from: string; to: string; org?: string }) =>
  useQuery({
    queryKey: ['indicator-cases', slug, code, ask],
    queryFn: () => get<Worklist>(`/api/lines/${slug}/indicators/${code}/cases${query(ask)}`),
    enabled: !!code,
  });

// useCaseMoved tells every list that shows a case that it has moved.
export function useCaseMoved() {
  const client = useQueryClient();
  return () => {
    for (const key of ['work', 'worklist', 'case', 'counts', 'notices', 'open', 'patient'])
      void client.invalidateQueries({ queryKey: [key] });
  };
}

// becomes forgets what the last person or role saw, and draws the page for this one.
export function becomes(client: QueryClient, me: Me) {
  client.removeQueries({ predicate: (q) => q.queryKey[0] !== 'me' });
  client.setQueryData(['me'], me);
}
