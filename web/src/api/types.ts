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
export type TransferKind = Schemas["TransferKind"];
export type Cdr = Schemas["CdrOut"];
export type CdrLeg = Schemas["CdrLegOut"];
export type Charge = Schemas["ChargeOut"];
export type Recording = Schemas["RecordingOut"];
export type Waveform = Schemas["WaveformOut"];
export type Transcript = Schemas["TranscriptOut"];

/** A lead or a contact; only leads have a stage. */
export type Person = Contact & { stage?: LeadStage };

/** A dialog with one phone or trunk of a live call. */
export interface Leg {
  id: string;
  role: "customer" | "agent";
  number: string;
  name: string | null;
  extension: string | null;
  trunk: string | null;
  incoming: boolean;
  state: string;
  held: boolean;
  answered_at: string | null;
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
