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
export type Lead = Schemas["LeadOut"];
export type CustomerCompany = Schemas["CustomerCompanyOut"];
export type VisitSummary = Schemas["DaySummaryOut"];
export type Camera = Schemas["CameraOut"];
export type Rate = Schemas["RateOut"];
export type RateImportResult = Schemas["ImportOut"];
export type RateRemoval = Schemas["RateRemoval"];
export type Extension = Schemas["ExtensionOut"];
export type WaitingMessages = Schemas["WaitingMessagesOut"];
export type NewExtension = Schemas["NewExtensionOut"];
export type Trunk = Schemas["TrunkOut"];
export type InboundNumber = Schemas["NumberOut"];
export type Route = Schemas["RouteOut"];
export type TransferKind = Schemas["TransferKind"];
export type LiveCall = Schemas["CallOut"];
export type Leg = Schemas["LiveLegOut"];
export type Cdr = Schemas["CdrOut"];
export type CdrLeg = Schemas["CdrLegOut"];
export type Charge = Schemas["ChargeOut"];
export type Recording = Schemas["RecordingOut"];
export type Waveform = Schemas["WaveformOut"];
export type Transcript = Schemas["TranscriptOut"];

/** A lead or a contact; only leads have a stage. */
export type Person = Omit<Lead, "stage" | "open" | "missed_number" | "contact_id"> & { stage?: LeadStage };
