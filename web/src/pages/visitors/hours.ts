/** The hours of a day as a chart needs them. */

/** Visits that began in an hour. */
export interface HourBar {
  hour: number;
  visits: number;
}

/** The usual opening hours, which a chart always shows. */
const FIRST = 8;
const LAST = 20;

/** Every hour from the first with a visit (or 8) to the last (or 20), hours without a visit included. */
export function hoursOf(byHour: readonly number[]): HourBar[] {
  const busy = byHour.flatMap((visits, hour) => (visits > 0 ? [hour] : []));
  const first = Math.min(FIRST, ...busy);
  const last = Math.max(LAST, ...busy);
  return Array.from({ length: last - first + 1 }, (_, index) => ({
    hour: first + index,
    visits: byHour[first + index] ?? 0,
  }));
}
