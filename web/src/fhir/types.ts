// The shapes of docs/api.md, as the page reads them.

export type Lang = 'zh' | 'en';
export interface Name { zh: string; en?: string }
export interface Ref { reference?: string; display?: string }
export type Urgency = 'emergency' | 'urgent' | 'routine';
export type StateKind = 'open' | 'done' | 'closed';

export interface Role { id: string; role: string; roleName: Name; org: Ref; institution: Ref }
export interface Me {
  user: { id: string; name: string; practitioner?: string; lang?: Lang; username?: string; mustChangePassword?: boolean; mustEnrol?: boolean };
  role: Role;
  roles: Role[];
  csrf: string;
  events?: number; // the newest event when this was answered
  hub: { name: Name; version: string };
  demo?: boolean;
  lenient?: boolean;
}

export interface Option { code: string; name: Name }
export type FieldType =
  | 'text' | 'textarea' | 'choice' | 'date' | 'datetime' | 'organization' | 'practitioner'
  | 'patient' | 'documents' | 'boolean' | 'phone' | 'code' | 'department' | 'bed' | 'task';
export interface Field {
  name: string;
  label: Name;
  type: FieldType;
  required?: boolean;
  help?: Name;
  options?: Option[];
  default?: unknown;
  showIf?: { field: string; in: string[] };
  system?: string;
  repeats?: boolean;
  waivedInEmergency?: boolean;
  at?: string;
  service?: string;
}
export interface Form { fields?: Field[] | null }

export interface FlowState { code: string; name: Name; status?: string; kind: StateKind; main?: boolean }
export interface FlowStep {
  do: string; name: Name; from: string[]; to: string; by: string; roles?: string[]; primary?: boolean; form?: Form;
}
export interface Flow { code: string; name: Name; states: FlowState[]; steps: FlowStep[] }
export interface Counts { waiting: number; late: number; open: number; mineLate?: number }
export interface Line {
  slug: string;
  name: Name;
  counts?: Counts; // the page reads them from useCounts
  flows: Flow[];
  start?: { flow: string; name: Name; form?: Form; about?: 'patient' | 'nobody' | 'newcomer'; do?: Name }[] | null;
  views: { code: string; name?: Name }[];
}

export interface RowPatient extends Ref { name: string; sex?: string; age?: number | string; birthDate?: string }
export interface Row {
  task: string;
  line?: string;
  flow: string;
  urgency: Urgency;
  patient: RowPatient;
  what: string;
  from: Ref;
  to: Ref;
  state: string;
  stateName: Name;
  stateKind: StateKind;
  due?: string | null;
  enteredAt: string;
  late: boolean;
  actor?: Ref | null;
  mine: boolean;
  updated: string;
  version: string;
  duplicate?: boolean;
}
export interface Worklist { rows: Row[] | null; total: number; next?: string; counts?: Record<string, number> }

export interface OpenStep { do: string; name: Name; primary?: boolean; form?: Form; effect?: Name }
export interface PathStep {
  state: string; stateName: Name; at: string; by?: { name?: string; org?: string | Ref }; stayed?: string; step?: string; note?: string;
}
export interface PacketItem { reference: string; kind: string; title: string; at?: string; hash?: string; complete?: boolean }
export interface Case {
  row: Row;
  request?: Record<string, unknown> | null;
  task?: Record<string, unknown> | null;
  coordinators?: { side: 'from' | 'to'; name: string; phone: string }[] | null;
  path?: PathStep[] | null;
  open?: OpenStep[] | null;
  waiting?: { actor?: Ref | null; due?: string | null; text?: Name } | null;
  packet?: { frozenAt?: string; hash?: string; complete?: boolean; missing?: Name[] | null; items?: PacketItem[] | null } | null;
  insurance?: { place?: string; type?: string; certificate?: string; filing?: string; validUntil?: string; warning?: Name | null } | null;
  chain?: { task: string; flow: string; state: string; stateName: Name; from?: Ref; to?: Ref; at?: string; closed?: boolean; current?: boolean }[] | null;
  messages?: { id: string; at: string; by?: { name?: string; org?: string | Ref }; text: string }[] | null;
  plan?: Record<string, unknown> | null;
  outcome?: Record<string, unknown> | null;
}

export interface Indicator {
  code: string; version?: string; name: Name; unit?: string; direction?: 'up' | 'down' | 'watch'; source?: string;
  numerator?: number | null; denominator?: number | null; value?: number | null; definition?: Name; complete?: number | null;
}

export interface PatientRow {
  reference: string; name: string; sex?: string; age?: number | string; birthDate?: string;
  idMasked?: string; phoneMasked?: string; org?: Ref;
}
export interface Banner extends PatientRow {
  address?: string; allergies?: string[] | null; alerts?: string[] | null; custodian?: Ref;
}
export type TimelineKind =
  | 'encounter' | 'condition' | 'result' | 'document' | 'referral' | 'procedure' | 'medication' | 'other';
export interface TimelineItem {
  line?: string;
  at?: string; until?: string; kind: TimelineKind; title: string; detail?: string; org?: string | Ref; reference: string; abnormal?: boolean; record?: string;
}
export interface PatientPage { banner: Banner; records?: { reference: string; custodian: Ref }[]; left?: number; timeline: TimelineItem[] | null; next?: string }

export interface Notice {
  seq: number; at: string; kind: string; line?: string; focus?: string; text: Name; due?: string | null; mine?: boolean;
}

export interface OrgNode { reference: string; name: string; type?: string; level?: string; parent?: string; children?: OrgNode[] | null }

export interface UserRole { id?: string; role: string; roleName?: Name; org: Ref | string; from?: string; until?: string; source?: string }
export interface RoleRequest { id: string; role: string; roleName: Name; org: Ref; by: string; created: string; mine: boolean; until?: string }
export interface User {
  id: string; username?: string; name: string; disabled?: boolean; practitioner?: string; lastLogin?: string; roles?: UserRole[] | null; manageable?: boolean;
  factors?: string[]; needsFactor?: boolean; requests?: RoleRequest[];
}
export interface Channel { id: string; org?: Ref | string; kind: string; url: string; enabled: boolean; lastError?: string; lastAt?: string; secret?: string; dead?: number }

export interface Subscription {
  id: string; status: string; org: Ref; account: string; reason?: string; criteria: string; topic?: Name; channel: string; to?: string; content: string;
  delivered: string | null; last: number; waiting: number; dead: number; missed: number; attempts: number; next?: string; error?: string; errorAt?: string; created: string;
  troubles?: { at: string; attempt: number; text: string }[]; events?: { number: number; type: string; at: string; state: string }[];
}

export interface AuditEntry {
  seq: number; at: string; user?: string; name?: string; role?: string; roleName?: Name; org?: Ref; action: string; what?: string; whatName?: Name;
  target?: string; patients?: { reference: string; name?: string }[] | null; outcome?: string; remote?: string; request?: string;
  purpose?: string; purposeName?: Name; reason?: string; client?: string;
}
export interface AuditGroup {
  from: string; until: string; first: string; last: string; user: string; name?: string; role?: string; roleName?: Name; org?: Ref; client?: string; count: number;
  acts?: { what: string; name: Name; count: number }[] | null; patients?: { reference: string; name?: string }[] | null; others?: number;
  purposes?: Name[] | null; reasons?: string[] | null; remotes?: string[] | null; refused: number; marked?: boolean;
}
export interface AuditWay { patient: string; party: string; partyName?: string; basis: string; basisName: Name; source: string; resource?: string; from?: string; until?: string }
export interface TrailCopy {
  patient?: { reference: string; name?: string }; from: string; until?: string; made: string; by?: string; org?: string; more?: boolean;
  lines?: { at: string; who?: string; role?: Name; org?: string; client?: string; did?: Name[] | null; count: number; purposes?: Name[] | null; asked?: boolean }[] | null;
}
