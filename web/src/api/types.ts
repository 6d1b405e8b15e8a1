/** What the API sends: times are RFC 3339 in UTC, durations seconds, money decimal strings, numbers E.164. */

export type Role = "agent" | "manager" | "owner" | "administrator";
export type Direction = "inbound" | "outbound" | "internal";
export type Disposition = "answered" | "no_answer" | "busy" | "failed" | "cancelled" | "interrupted";
export type NumberKind = "landline" | "mobile" | "toll_free" | "premium" | "international" | "internal";
export type TransferKind = "blind" | "attended";

/** Who is signed in, and what they may do: by resource and action, `own` or `all`. */
export interface Session {
  user_id: string;
  username: string;
  name: string;
  role: Role;
  extension: string | null;
  language: string | null;
  permissions: Record<string, Record<string, string>>;
}

/** One who may sign in; `password` only stands in the answer that made it. */
export interface User {
  id: string;
  username: string;
  name: string;
  role: Role;
  extension: string | null;
  email: string | null;
  language: string | null;
  active: boolean;
  created_at: string;
  last_sign_in_at: string | null;
  password?: string | null;
}

export interface Company {
  name: string;
  country: string;
  currency: string;
  language: string;
  timezone: string;
  record_calls: boolean;
  record_internal_calls: boolean;
  ring_seconds: number;
  notify_emails: string[];
}

/** A dialog with one phone or trunk, live or past. */
export interface Leg {
  id: string;
  role?: "customer" | "agent";
  number: string;
  name?: string | null;
  extension?: string | null;
  trunk?: string | null;
  incoming?: boolean;
  state?: string;
  held?: boolean;
  started_at?: string | null;
  ringing_at?: string | null;
  answered_at?: string | null;
  ended_at?: string | null;
  held_seconds?: number;
  sip_status?: number;
  reason?: string;
  packets_lost?: number | null;
  jitter_ms?: number | null;
  mos?: number | null;
}

export interface LiveCall {
  id: string;
  state: string;
  direction: Direction;
  from_number: string;
  from_name?: string | null;
  to_number: string;
  started_at: string;
  answered_at?: string | null;
  recording: "off" | "on" | "paused" | "failed";
  legs: Leg[];
}

export interface Transfer {
  id?: string;
  kind: TransferKind;
  result: "completed" | "failed";
  at: string;
  from_extension: string;
  to_number: string;
  other_call_id?: string | null;
}

export interface Charge {
  id?: string;
  number: string;
  kind: NumberKind;
  seconds: number;
  billed_seconds: number | null;
  amount: string | null;
  currency: string | null;
  rate_id?: string | null;
  price_per_minute?: string | null;
}

export interface Cdr {
  id: string;
  call_id: string;
  direction: Direction;
  from_number: string;
  from_name?: string | null;
  to_number: string;
  started_at: string;
  answered_at?: string | null;
  ended_at: string | null;
  talk_seconds: number;
  disposition: Disposition | null;
  legs: Leg[];
  transfers: Transfer[];
  charges: Charge[];
  recording_id?: string | null;
}

export interface Recording {
  id: string;
  call_id: string;
  seconds: number;
  channels: number;
  format: string;
  sha256: string;
  state: string;
}

/** Peaks of a recording: one list of values of -1..1 (or 0..1) a channel. */
export interface Waveform {
  seconds?: number;
  channels: number[][];
}

export interface TranscriptSegment {
  channel: number;
  start: number;
  end: number;
  text: string;
}

export interface Transcript {
  id: string;
  recording_id?: string;
  call_id?: string;
  language?: string;
  state?: string;
  segments: TranscriptSegment[];
}

/** A call or a note in the story of a customer; `outcome` is null while a call goes on. */
export interface Activity {
  id: string;
  kind: "call" | "note";
  call_id: string | null;
  direction: Direction | null;
  number: string | null;
  extension: string | null;
  transferred_to: string | null;
  outcome: Disposition | null;
  recording_id: string | null;
  transcript: string | null;
  text: string;
  started_at: string;
  answered_at: string | null;
  ended_at: string | null;
  talk_seconds: number;
  created_by: string | null;
}

export type LeadStage = "new" | "in_progress" | "converted" | "junk";

/** A lead or a contact; only leads have a stage. */
export interface Person {
  id: string;
  name: string;
  phones: string[];
  emails: string[];
  source: string;
  responsible: string;
  note: string;
  stage?: LeadStage;
  call_id: string | null;
  created_at: string;
  updated_at: string;
  activities: Activity[];
}

/** A day at the door: `new` are people, `returning` visits of people known before, `by_hour` visits in each of 24 hours. */
export interface VisitSummary {
  day: string;
  visitors: number;
  visits: number;
  new: number;
  returning: number;
  by_hour: number[];
}

export interface Camera {
  id: string;
  name: string;
  source: string;
  mode: "counting" | "recognition";
  enabled: boolean;
  gap_seconds: number;
  template_days: number;
  created_at: string;
  running: boolean;
  frames: number;
  error: string | null;
}

export interface Registration {
  uri: string;
  source: string;
  expires_at: string;
  user_agent: string;
}

export interface Extension {
  id: string;
  number: string;
  name: string;
  password?: string;
  registered: boolean;
  contacts: Registration[];
}

export interface Trunk {
  id: string;
  name: string;
  host: string;
  port: number;
  transport: string;
  username: string;
  register: boolean;
  allow_from: string[];
  state: string;
}

export interface InboundNumber {
  id: string;
  number: string;
  destination: { kind: string; target: string };
}

export interface Route {
  id: string;
  name: string;
  prefix: string;
  trunks: string[];
  strip: number;
  prepend: string;
  priority: number;
}

export interface Rate {
  id: string;
  prefix: string;
  kind: NumberKind;
  price_per_minute: string;
  currency: string;
  first_increment: number;
  increment: number;
  connection_fee: string;
  valid_from?: string | null;
  valid_to?: string | null;
}
