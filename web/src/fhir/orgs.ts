import { useQuery } from '@tanstack/react-query';
import { get, query, Refusal } from './client';
import type { OrgNode } from './types';

interface Organization { id: string; name?: string; partOf?: { reference?: string }; active?: boolean; type?: { text?: string; coding?: { display?: string; code?: string }[] }[] }
interface Bundle { entry?: { resource?: Organization }[]; link?: { relation: string; url: string }[] }

// useTargets is the tree of organisations for everybody: the administration's when one may, else from the register.
export const useTargets = () =>
  useQuery({
    queryKey: ['targets'],
    staleTime: 600_000,
    queryFn: async (): Promise<OrgNode[]> => {
      try {
        return await get<OrgNode[]>('/api/admin/orgs');
      } catch (e) {
        if (!(e instanceof Refusal) || (e.status !== 403 && e.status !== 404)) throw e;
      }
      const all: Organization[] = [];
      let url: string | undefined = '/fhir/Organization?_count=500&_elements=name,partOf,type,active';
      for (let pages = 0; url && pages < 10; pages++) {
        const page: Bundle = await get<Bundle>(url);
        for (const e of page.entry ?? []) if (e.resource && e.resource.active !== false) all.push(e.resource);
        const next: string | undefined = page.link?.find((l) => l.relation === 'next')?.url;
        url = next && new URL(next, location.origin).pathname + new URL(next, location.origin).search;
      }
      return treeOf(all);
    },
  });

export function treeOf(all: Organization[]): OrgNode[] {
  const nodes = new Map<string, OrgNode>();
  for (const o of all)
    nodes.set(`Organization/${o.id}`, {
      reference: `Organization/${o.id}`, name: o.name ?? o.id, type: o.type?.[0]?.text ?? o.type?.[0]?.coding?.[0]?.display, parent: o.partOf?.reference, children: [],
    });
  const roots: OrgNode[] = [];
  for (const n of nodes.values()) {
    const above = n.parent ? nodes.get(n.parent) : undefined;
    if (above && above !== n) above.children!.push(n);
    else roots.push(n);
  }
  return roots;
}

// useAskable says which parties have agreed to be asked for a service; the picker shows the others as such.
export const useAskable = (service?: string, task?: string) =>
  useQuery({
    queryKey: ['askable', service, task],
    enabled: !!service,
    staleTime: 60_000,
    queryFn: () => get<{ parties: string[]; anywhere?: boolean }>(`/api/agreements/askable${query({ service, task: service === 'redirect' ? task : undefined })}`),
  });
