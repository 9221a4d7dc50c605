export interface Factor { id: string; kind: 'totp' | 'passkey'; name: string; created: string; used?: string }
export interface Factors { factors: Factor[]; recovery: number; needed: boolean; passkeys: boolean; proved: boolean; strong: boolean }
export interface Enrolment { id: string; secret: string; uri: string; size: number; path: string }
export interface Login { id: string; created: string; used: string; remote: string; agent: string; how: string; strong: boolean; mine: boolean }
export interface Stranger { at: string; remote: string; agent: string }
export interface Logins { sessions: Login[]; strangers?: Stranger[] }
export interface Rules { sentences: { code: string; zh: string; en: string }[]; least: number }
export interface Second { ways: string[]; passkeys: boolean }
export interface Doors { hospitals: { slug: string; name: { zh: string; en?: string } }[]; passkeys: boolean; second: Second | null; demo?: boolean; lenient?: boolean }
