/** The filters of the call history: read from the page's address, and written as the API's query. */

import type { Query } from "../../api/client";
import { addDays, startOfDay } from "../../i18n/format";

/** What the history can be filtered by; days are `YYYY-MM-DD`, both included. */
export interface CallFilterValues {
  number: string;
  direction: string;
  disposition: string;
  since: string;
  until: string;
}

export const directions = ["inbound", "outbound", "internal"] as const;
export const dispositions = ["answered", "no_answer", "busy", "failed", "cancelled", "interrupted"] as const;

const isDay = (text: string | null): text is string => /^\d{4}-\d{2}-\d{2}$/.test(text ?? "");

/** Reads the filters from an address; what is no valid filter counts as none. */
export function readFilters(search: URLSearchParams): CallFilterValues {
  const among = (name: string, allowed: readonly string[]): string => {
    const value = search.get(name) ?? "";
    return allowed.includes(value) ? value : "";
  };
  const day = (name: string): string => {
    const value = search.get(name);
    return isDay(value) ? value : "";
  };
  return {
    number: search.get("number") ?? "",
    direction: among("direction", directions),
    disposition: among("disposition", dispositions),
    since: day("since"),
    until: day("until"),
  };
}

/** Writes the filters into an address; empty ones are left out. */
export function writeFilters(filters: CallFilterValues): URLSearchParams {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries<string>({ ...filters })) if (value) search.set(name, value);
  return search;
}

/** The API's query of the filters; days begin and end in the company's time zone. */
export function queryOf(filters: CallFilterValues, timeZone?: string): Query {
  return {
    number: filters.number.trim(),
    direction: filters.direction,
    disposition: filters.disposition,
    started_from: filters.since && startOfDay(filters.since, timeZone),
    started_to: filters.until && startOfDay(addDays(filters.until, 1), timeZone),
  };
}
