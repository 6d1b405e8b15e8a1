import { describe, expect, it } from "vitest";
import { customerNumber, isHeld, ringingLegs, speakingLegs, timeline, totals } from "./calls";
import type { CdrLeg, Leg, LiveCall } from "./types";

const leg = (id: string, change: Partial<Leg> = {}): Leg => ({
  id,
  role: "agent",
  number: id,
  name: "",
  sip_call_id: "",
  extension: null,
  trunk: null,
  incoming: false,
  state: "answered",
  held: false,
  answered_at: null,
  answerer: null,
  quality: [],
  ...change,
});

const pastLeg = (change: Partial<CdrLeg>): CdrLeg => ({
  id: "1001",
  role: "agent",
  number: "1001",
  extension: "1001",
  trunk: null,
  incoming: false,
  sip_call_id: null,
  started_at: "2026-03-01T10:00:00Z",
  joined_at: "2026-03-01T10:00:00Z",
  ringing_at: null,
  answered_at: null,
  ended_at: null,
  moved_to: null,
  sip_status: 0,
  reason: "",
  packets_received: null,
  packets_sent: null,
  packets_lost: null,
  jitter_ms: null,
  mos: null,
  forwarded_by: null,
  answerer: null,
  quality: null,
  ...change,
});

const call = (change: Partial<LiveCall> = {}): LiveCall => ({
  id: "c",
  state: "talking",
  direction: "inbound",
  from_number: "+79161234567",
  from_name: null,
  from_extension: null,
  to_number: "+74951234567",
  dialled: "+74951234567",
  started_at: "2026-03-01T10:00:00Z",
  answered_at: "2026-03-01T10:00:05Z",
  recording: "off",
  recording_id: null,
  legs: [],
  ...change,
});

describe("the customer's number", () => {
  it("is the caller's, but the called one's when we call out", () => {
    expect(customerNumber(call())).toBe("+79161234567");
    expect(customerNumber(call({ direction: "outbound", from_number: "1001", to_number: "+74951112233" }))).toBe(
      "+74951112233",
    );
  });
});

describe("who speaks", () => {
  const legs = [
    leg("1001"),
    leg("customer", { role: "customer", incoming: true }),
    leg("gone", { state: "ended" }),
    leg("1002", { state: "ringing" }),
  ];

  it("is everyone who answered and has not left, customers first", () => {
    expect(speakingLegs(call({ legs })).map(({ id }) => id)).toEqual(["customer", "1001"]);
  });

  it("is not the customer while colleagues consult", () => {
    const both = [...legs, leg("1003")];
    expect(speakingLegs(call({ state: "transferring", legs: both })).map(({ id }) => id)).toEqual(["1001", "1003"]);
  });

  it("is not one whose phone still rings", () => {
    expect(ringingLegs(legs).map(({ id }) => id)).toEqual(["1002"]);
  });
});

describe("hold", () => {
  it("is told by the state of the call or by a leg that is still there", () => {
    expect(isHeld(call({ state: "held" }))).toBe(true);
    expect(isHeld(call({ legs: [leg("a", { held: true })] }))).toBe(true);
    expect(isHeld(call({ legs: [leg("a", { held: true, state: "ended" })] }))).toBe(false);
  });
});

describe("the timeline of a call", () => {
  const started_at = "2026-03-01T10:00:00Z";
  const ended_at = "2026-03-01T10:01:40Z";

  it("places ringing and talking between start and end", () => {
    const stay = pastLeg({
      joined_at: "2026-03-01T10:00:10Z",
      answered_at: "2026-03-01T10:00:20Z",
      ended_at: "2026-03-01T10:01:00Z",
    });
    const [bar] = timeline({ started_at, ended_at, legs: [stay] }, 0);
    expect(bar).toMatchObject({ start: 0.1, answered: 0.2, end: 0.6, seconds: 40 });
  });

  it("begins the talk of a leg that a transfer brought when it came", () => {
    const stay = pastLeg({ joined_at: "2026-03-01T10:00:50Z", answered_at: "2026-03-01T09:59:00Z", ended_at });
    const [bar] = timeline({ started_at, ended_at, legs: [stay] }, 0);
    expect(bar).toMatchObject({ start: 0.5, answered: 0.5, end: 1, seconds: 50 });
  });

  it("does not divide by the length of a call that had none", () => {
    const [bar] = timeline({ started_at, ended_at: started_at, legs: [pastLeg({ ended_at: started_at })] }, 0);
    expect(bar).toMatchObject({ start: 0, answered: null, end: 0, seconds: 0 });
  });

  it("ends now where the call goes on", () => {
    const now = Date.parse("2026-03-01T10:00:40Z");
    const [bar] = timeline({ started_at, ended_at: null, legs: [pastLeg({ answered_at: started_at })] }, now);
    expect(bar).toMatchObject({ answered: 0, end: 1, seconds: 40 });
  });
});

describe("totals", () => {
  it("leaves out what has no rate yet", () => {
    expect(totals([{ amount: null, currency: null }])).toEqual([]);
  });

  it("adds decimal strings without rounding", () => {
    expect(totals(["0.10", "0.20", "0.005"].map((amount) => ({ amount, currency: "RUB" })))).toEqual([
      { amount: "0.305", currency: "RUB" },
    ]);
  });

  it("keeps currencies apart", () => {
    expect(
      totals([
        { amount: "1.57", currency: "RUB" },
        { amount: "2", currency: "USD" },
        { amount: "0.72", currency: "RUB" },
      ]),
    ).toEqual([
      { amount: "2.29", currency: "RUB" },
      { amount: "2", currency: "USD" },
    ]);
  });

  it("holds credits too", () => {
    expect(totals([{ amount: "-0.05", currency: "RUB" }])).toEqual([{ amount: "-0.05", currency: "RUB" }]);
  });
});
