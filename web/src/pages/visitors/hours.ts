/** The hours of a day as a chart needs them. */

import type { VisitSummary } from "../../api/types";

/** Visits of one hour, and how many of them were by returning visitors. */
export interface HourBar {
  hour: number;
  visits: number;
  returning: number;
}

/** The usual opening hours, which a chart always shows. */
const FIRST = 8;
const LAST = 20;

/** Every hour from the first with a visit (or 8) to the last (or 20), hours without a visit included. */
export function hoursOf(summary: Pick<VisitSummary, "by_hour">): HourBar[] {
  const known = new Map(summary.by_hour.map((entry) => [entry.hour, entry]));
  const busy = summary.by_hour.filter((entry) => entry.visits > 0).map((entry) => entry.hour);
  const first = Math.min(FIRST, ...busy);
  const last = Math.max(LAST, ...busy);
  return Array.from({ length: last - first + 1 }, (_, index) => {
    const entry = known.get(first + index);
    return { hour: first + index, visits: entry?.visits ?? 0, returning: entry?.returning ?? 0 };
  });
}
