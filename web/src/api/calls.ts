/** What the pages ask of a call: who is the customer, who speaks now, and how its past unfolds in time. */

import { secondsBetween } from "../i18n/format";
import type { Cdr, CdrLeg, Direction, Leg, LiveCall } from "./types";

/** The number of the outside party, or of the caller where both are inside. */
export function customerNumber(call: { direction: Direction; from_number: string; to_number: string }): string {
  return call.direction === "outbound" ? call.to_number : call.from_number;
}

/** The legs that speak with each other at this moment, customers first; while colleagues consult, the customer waits. */
export function speakingLegs({ state, legs }: Pick<LiveCall, "state" | "legs">): Leg[] {
  return legs
    .filter((leg) => leg.state === "answered" && (state !== "transferring" || leg.role === "agent"))
    .sort((a, b) => Number(a.role === "agent") - Number(b.role === "agent"));
}

/** The legs that ring at this moment. */
export function ringingLegs(legs: readonly Leg[]): Leg[] {
  return legs.filter((leg) => leg.state === "ringing");
}

/** Whether the call is on hold: by its state, or by one of its legs. */
export function isHeld(call: LiveCall): boolean {
  return call.state === "held" || call.legs.some((leg) => leg.held && leg.state === "answered");
}

/** Whether the call is being recorded now. */
export function isRecording(call: LiveCall): boolean {
  return call.recording === "on";
}

/** One bar of a timeline: shares of the whole from 0 to 1, first the ringing and then the talking. */
export interface TimelineBar {
  leg: CdrLeg;
  start: number;
  answered: number | null;
  end: number;
  seconds: number;
}

/** The legs of a call as bars between its start and its end, or now where it still goes on. */
export function timeline(call: Pick<Cdr, "started_at" | "ended_at" | "legs">, now: number): TimelineBar[] {
  const whole = secondsBetween(call.started_at, call.ended_at ?? now) || 1;
  const share = (time: string | null | undefined, otherwise: number): number =>
    time ? Math.min(1, secondsBetween(call.started_at, time) / whole) : otherwise;
  return call.legs.map((leg) => {
    // A leg that a transfer brought was answered before it came into this call.
    const talkedFrom = leg.answered_at && later(leg.answered_at, leg.joined_at);
    return {
      leg,
      start: share(leg.joined_at, 0),
      answered: talkedFrom ? share(talkedFrom, 0) : null,
      end: share(leg.ended_at, 1),
      seconds: secondsBetween(talkedFrom, leg.ended_at ?? call.ended_at ?? now),
    };
  });
}

function later(one: string, other: string): string {
  return Date.parse(one) > Date.parse(other) ? one : other;
}

/** The sum of a call's charges by currency, those without a rate left out, exact to the last digit the charges have. */
export function totals(
  charges: readonly { amount: string | null; currency: string | null }[],
): { amount: string; currency: string }[] {
  const sums = new Map<string, { units: bigint; scale: number }>();
  for (const { amount, currency } of charges) {
    if (amount === null || currency === null) continue;
    const [whole = "0", part = ""] = amount.split(".");
    const sum = sums.get(currency) ?? { units: 0n, scale: 0 };
    const scale = Math.max(sum.scale, part.length);
    const units =
      sum.units * 10n ** BigInt(scale - sum.scale) + BigInt(whole + part) * 10n ** BigInt(scale - part.length);
    sums.set(currency, { units, scale });
  }
  return [...sums].map(([currency, { units, scale }]) => ({ currency, amount: decimal(units, scale) }));
}

function decimal(units: bigint, scale: number): string {
  const sign = units < 0n ? "-" : "";
  const digits = String(units < 0n ? -units : units).padStart(scale + 1, "0");
  const point = digits.length - scale;
  return sign + digits.slice(0, point) + (scale ? `.${digits.slice(point)}` : "");
}
