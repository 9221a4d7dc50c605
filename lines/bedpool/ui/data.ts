import type { Bed, BedState, Board, Campus, Holds, Level, Needs, Room, Ward } from './api';

// The board as it is drawn: wards in order with their rooms. What does not change keeps its identity, so that an event
// draws one ward anew and not the house.
export interface RoomView { room: Room; beds: Bed[] }
export interface WardView { ward: Ward; campus?: Campus; rooms: RoomView[]; beds: Bed[]; counts: Record<BedState, number> }
export interface BoardView { holds?: Holds; at: string; ahead: number; since: string; campuses: Campus[]; wards: WardView[]; byBed: Map<string, Bed>; counts: Record<BedState, number> }

export const states: BedState[] = ['free', 'held', 'occupied', 'lent', 'cleaning', 'closed'];
// ahead is by how much the hub's clock is ahead of this machine's; old PCs drift, and deadlines are the hub's. Below a
// minute it is the way, not the clock.
export function ahead(at: string, here = Date.now()): number {
  const ms = Date.parse(at) - here;
  return Math.abs(ms) < 60_000 || Number.isNaN(ms) ? 0 : ms;
}

const none = (): Record<BedState, number> => ({ free: 0, held: 0, occupied: 0, cleaning: 0, closed: 0, lent: 0 });
const count = (beds: Bed[]) => beds.reduce((n, b) => {
  n[b.state]++;
  return n;
}, none());

// Wards, rooms and beds are numbered by people: 2 床 stands before 10 床, 骨科一 before 骨科二, 加1 after all.
const order = new Intl.Collator('zh-CN', { numeric: true });
const digits = '零一二三四五六七八九';
const counted = (name: string) => name.replace(/[零一二三四五六七八九](?=病区|科|室|$)/g, (c) => String(digits.indexOf(c)));
export const byName = (a: { name: string }, b: { name: string }) => order.compare(counted(a.name), counted(b.name));

function view(ward: Ward, campus: Campus | undefined, rooms: Map<string, Room>, beds: Bed[]): WardView {
  const by = new Map<string, Bed[]>();
  for (const b of beds) {
    const list = by.get(b.room);
    if (list) list.push(b);
    else by.set(b.room, [b]);
  }
  const listed = [...by].map(([id, of]) => ({ room: rooms.get(id) ?? { id, name: '', rule: 'mixed' as const }, beds: of.sort(byName) }));
  listed.sort((a, b) => byName(a.room, b.room) || byName(a.beds[0]!, b.beds[0]!));
  const inOrder = listed.flatMap((r) => r.beds);
  return { ward, campus, rooms: listed, beds: inOrder, counts: count(inOrder) };
}

// Campuses of one hospital all begin with its name, which the board does not repeat on every ward.
export function tails(names: string[]): string[] {
  let n = 0;
  while (names.length > 1 && n < names[0]!.length && names.every((x) => x[n] === names[0]![n])) n++;
  return names.map((x) => x.slice(n) || x);
}

// arrange draws up a whole board.
export function arrange(b: Board): BoardView {
  const short = tails((b.campuses ?? []).map((c) => c.name));
  const campuses = (b.campuses ?? []).map((c, i) => ({ ...c, name: short[i]! }));
  const rooms = new Map((b.rooms ?? []).map((r) => [r.id, r]));
  const of = new Map<string, Bed[]>();
  for (const bed of b.beds ?? []) {
    const list = of.get(bed.ward);
    if (list) list.push(bed);
    else of.set(bed.ward, [bed]);
  }
  const wards = (b.wards ?? []).map((w) => view(w, campuses.find((c) => c.id === w.campus), rooms, of.get(w.id) ?? [])).filter((w) => w.beds.length > 0);
  const place = new Map(campuses.map((c, i) => [c.id, i]));
  wards.sort((x, y) => (place.get(x.ward.campus) ?? 99) - (place.get(y.ward.campus) ?? 99) || byName(x.ward, y.ward));
  return total({ holds: b.holds, at: b.at, ahead: ahead(b.at), since: b.since, campuses, wards, byBed: new Map(), counts: none() });
}

function total(v: BoardView): BoardView {
  const counts = none();
  const byBed = new Map<string, Bed>();
  for (const w of v.wards) {
    for (const b of w.beds) byBed.set(b.id, b);
    for (const s of states) counts[s] += w.counts[s];
  }
  return { ...v, byBed, counts };
}

// merge lays what changed over what stood; a board that comes whole replaces everything.
export function merge(before: BoardView | undefined, news: Board): BoardView {
  if (!before || news.whole) return arrange(news);
  if (!news.beds?.length && !news.wards?.length) return { ...before, holds: news.holds ?? before.holds, at: news.at, ahead: ahead(news.at), since: news.since };
  const touched = new Set([...(news.beds ?? []).map((b) => b.ward), ...(news.wards ?? []).map((w) => w.id)]);
  for (const b of news.beds ?? []) {
    const was = before.byBed.get(b.id);
    if (was) touched.add(was.ward);
  }
  const fresh = new Map((news.beds ?? []).map((b) => [b.id, b]));
  const newRooms = new Map((news.rooms ?? []).map((r) => [r.id, r]));
  const known = new Map(before.wards.map((w) => [w.ward.id, w]));
  const wards = before.wards.map((w) => {
    if (!touched.has(w.ward.id)) return w;
    const ward = news.wards?.find((x) => x.id === w.ward.id) ?? w.ward;
    const rooms = new Map([...w.rooms.map((r): [string, Room] => [r.room.id, r.room]), ...newRooms]);
    const beds = w.beds.filter((b) => (fresh.get(b.id)?.ward ?? w.ward.id) === w.ward.id).map((b) => fresh.get(b.id) ?? b);
    const had = new Set(beds.map((b) => b.id));
    for (const b of fresh.values()) if (b.ward === w.ward.id && !had.has(b.id)) beds.push(b);
    return view(ward, w.campus, rooms, beds);
  });
  for (const w of news.wards ?? [])
    if (!known.has(w.id)) wards.push(view(w, before.campuses.find((c) => c.id === w.campus), newRooms, [...fresh.values()].filter((b) => b.ward === w.id)));
  return total({ ...before, holds: news.holds ?? before.holds, at: news.at, ahead: ahead(news.at), since: news.since, wards });
}

export interface Filter { campus?: string; group?: string; specialty?: string; level?: string; state?: string; text?: string }
export const filtering = (f: Filter) => Object.values(f).some(Boolean);

const namesWard = (f: Filter, w: WardView) => {
  const find = f.text?.trim().toLowerCase();
  return !find || w.ward.name.toLowerCase().includes(find) || (w.ward.specialties ?? []).some((s) => s.toLowerCase() === find);
};

// wardPasses looks at what is the ward's, bedPasses at what is the bed's own.
export const wardPasses = (w: WardView, f: Filter) =>
  (!f.campus || w.ward.campus === f.campus) && (!f.group || w.ward.group === f.group) && (!f.specialty || (w.ward.specialties ?? []).includes(f.specialty));
export function bedPasses(b: Bed, w: WardView, f: Filter) {
  const find = f.text?.trim().toLowerCase();
  return (!f.level || b.level === f.level) && (!f.state || b.state === f.state) &&
    (!find || namesWard(f, w) || b.name.toLowerCase().includes(find) || (b.occupant?.name ?? '').toLowerCase().includes(find));
}

// narrowed is the board through a filter; wards that keep all their beds keep their identity.
export function narrowed(wards: WardView[], f: Filter): WardView[] {
  if (!filtering(f)) return wards;
  return wards.filter((w) => wardPasses(w, f)).map((w) => {
    if (!f.level && !f.state && (!f.text?.trim() || namesWard(f, w))) return w;
    const rooms = w.rooms.map((r) => ({ room: r.room, beds: r.beds.filter((b) => bedPasses(b, w, f)) })).filter((r) => r.beds.length > 0);
    const beds = rooms.flatMap((r) => r.beds);
    return { ...w, rooms, beds };
  }).filter((w) => w.beds.length > 0);
}

// The ladder of levels: what is needed may be had on the same step or, where the rules say so, on a higher one.
const ladder: Partial<Record<Level, number>> = { general: 0, vip: 0, hdu: 1, ccu: 2, icu: 2 };

// plainly says at a glance why a bed cannot be his, from what the board shows; '' = nothing speaks against it here. The
// hub's own rules decide.
export function plainly(bed: Bed, room: Room | undefined, n: Needs): string {
  if (bed.state === 'closed') return 'closed';
  if (bed.state !== 'free' && bed.state !== 'cleaning') return 'taken';
  const has = bed.equipment ?? [];
  if ((n.equipment ?? []).some((e) => !has.includes(e))) return 'equipment';
  if (n.isolation === 'airborne' && !has.includes('negative-pressure')) return 'isolation';
  if (n.level === 'neonatal' || n.level === 'isolation' ? bed.level !== n.level : (ladder[bed.level] ?? -1) < (ladder[n.level ?? 'general'] ?? 0)) return 'level';
  if (room && (room.rule === 'male' || room.rule === 'female') && n.sex && room.rule !== n.sex) return 'sex';
  return '';
}

// wardOf finds a bed with its ward and room.
export function whereIs(v: BoardView, bed: string): { ward: WardView; room: RoomView; bed: Bed } | undefined {
  const b = v.byBed.get(bed);
  const ward = b && v.wards.find((w) => w.ward.id === b.ward);
  const room = ward?.rooms.find((r) => r.room.id === b!.room);
  return b && ward && room ? { ward, room, bed: b } : undefined;
}

// placeOf is how people say where a bed stands: 心内一病区 302 室 12 床.
export const placeOf = (at: { ward: WardView; room: RoomView; bed: Bed } | undefined) =>
  at ? [at.ward.ward.name, at.bed.name].filter(Boolean).join(' ') : '';
