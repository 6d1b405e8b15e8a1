/** The names that the app uses for what the API sends; the shapes are generated from the API's own description. */

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Role = Schemas["Role"];
export type Direction = Schemas["Direction"];
export type Disposition = Schemas["Disposition"];
export type NumberKind = Schemas["NumberKind"];
export type Session = Schemas["SessionOut"];
export type User = Schemas["UserOut"];
export type NewUser = Schemas["NewUserOut"];
export type Company = Schemas["CompanySettings"];
export type Activity = Schemas["ActivityOut"];
export type LeadStage = Schemas["LeadStage"];
export type Contact = Schemas["ContactOut"];
export type VisitSummary = Schemas["DaySummaryOut"];
export type Camera = Schemas["CameraOut"];
export type Rate = Schemas["RateOut"];
export type RateImportResult = Schemas["ImportOut"];
export type RateRemoval = Schemas["RateRemoval"];

/** A lead or a contact; only leads have a stage. */
export type Person = Contact & { stage?: LeadStage };

export type TransferKind = "blind" | "attended";

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

/** The loudest sample of each stretch, one list a channel, from 0 to 1. */

export interface Waveform {
  seconds: number;
  peaks: number[][];
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
