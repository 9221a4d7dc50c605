import { useQuery } from '@tanstack/react-query';
import { get } from '../fhir/client';
import type { Logins } from './types';

export const useLogins = () => useQuery({ queryKey: ['logins'], queryFn: () => get<Logins>('/api/me/sessions'), staleTime: 60_000, retry: false });
