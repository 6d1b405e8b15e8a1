import { describe, expect, it } from "vitest";
import { customerNumber, isHeld, ringingLegs, speakingLegs, timeline, totals } from "./calls";
import type { Leg, LiveCall } from "./types";

const leg = (id: string, change: Partial<Leg> = {}): Leg => ({ id, number: id, ...change });

const call = (change: Partial<LiveCall> = {}): LiveCall => ({
  id: "c",
  state: "answered",
  direction: "inbound",
  from_number: "+79161234567",
  to_number: "+74951234567",
  started_at: "2026-03-01T10:00:00Z",
  recording: "off",
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
  const at = "2026-03-01T10:00:05Z";
  const legs = [
    leg("1001", { role: "agent", answered_at: at }),
    leg("customer", { role: "customer", answered_at: at, incoming: true }),
    leg("gone", { role: "agent", answered_at: at, ended_at: at }),
    leg("1002", { role: "agent" }),
  ];

  it("is everyone who answered and has not left, customers first", () => {
    expect(speakingLegs(legs).map(({ id }) => id)).toEqual(["customer", "1001"]);
  });

  it("is not one whose phone still rings", () => {
    expect(ringingLegs(legs).map(({ id }) => id)).toEqual(["1002"]);
  });
});

describe("hold", () => {
  it("is told by the state of the call or by a leg that is still there", () => {
    expect(isHeld(call({ state: "held" }))).toBe(true);
    expect(isHeld(call({ legs: [leg("a", { held: true })] }))).toBe(true);
    expect(isHeld(call({ legs: [leg("a", { held: true, ended_at: "2026-03-01T10:00:05Z" })] }))).toBe(false);
  });
});

describe("the timeline of a call", () => {
  it("places ringing and talking between start and end", () => {
    const [bar] = timeline(
      {
        started_at: "2026-03-01T10:00:00Z",
        ended_at: "2026-03-01T10:01:40Z",
        legs: [
          leg("1001", {
            started_at: "2026-03-01T10:00:10Z",
            answered_at: "2026-03-01T10:00:20Z",
            ended_at: "2026-03-01T10:01:00Z",
          }),
        ],
      },
      0,
    );
    expect(bar).toMatchObject({ start: 0.1, answered: 0.2, end: 0.6, seconds: 40 });
  });

  it("does not divide by the length of a call that had none", () => {
    const at = "2026-03-01T10:00:00Z";
    const [bar] = timeline({ started_at: at, ended_at: at, legs: [leg("1001", { started_at: at, ended_at: at })] }, 0);
    expect(bar).toMatchObject({ start: 0, answered: null, end: 0, seconds: 0 });
  });
});

describe("the timeline of a call that goes on", () => {
  it("ends now", () => {
    const at = "2026-03-01T10:00:00Z";
    const now = Date.parse("2026-03-01T10:00:40Z");
    const [bar] = timeline(
      { started_at: at, ended_at: null, legs: [leg("1001", { started_at: at, answered_at: at })] },
      now,
    );
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
