/** Money, numbers, times and durations, written in the user's language and the company's time zone. */

/** What the formatters need to know. */
export interface FormatSettings {
  language: string;
  timeZone?: string;
}

/** All formatters of one language and time zone. */
export interface Formatters {
  money(amount: string | number, currency: string): string;
  count(value: number): string;
  dateTime(time: string): string;
  date(time: string): string;
  time(time: string): string;
  relative(time: string, now: number): string;
  hour(hour: number): string;
}

/** Fraction digits of a decimal string: how exact an amount was stated. */
export function fractionDigits(amount: string): number {
  const point = amount.indexOf(".");
  return point < 0 ? 0 : amount.length - point - 1;
}

/** The day of `time` in `timeZone`, as `YYYY-MM-DD`: what `<input type="date">` and the API take. */
export function dayOf(time: Date, timeZone?: string): string {
  return new Intl.DateTimeFormat("sv-SE", { timeZone, year: "numeric", month: "2-digit", day: "2-digit" }).format(time);
}

/** The instant at which the day (`YYYY-MM-DD`) begins in `timeZone`, as RFC 3339 in UTC. */
export function startOfDay(day: string, timeZone?: string): string {
  const midnight = Date.parse(`${day}T00:00:00Z`);
  const near = new Date(midnight - offsetOf(new Date(midnight), timeZone));
  // Where the clocks change between midnight here and in UTC, the offset is another one.
  return new Date(midnight - offsetOf(near, timeZone)).toISOString();
}

/** The day that is `days` after `day`. */
export function addDays(day: string, days: number): string {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + days);
  return date.toISOString().slice(0, 10);
}

function offsetOf(time: Date, timeZone?: string): number {
  const wall = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" }).format(time);
  return new Date(`${wall.replace(" ", "T")}Z`).getTime() - Math.floor(time.getTime() / 1000) * 1000;
}

/** Seconds as `m:ss` or `h:mm:ss`, rounded down as a clock does. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes}:${two(whole % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

/** Seconds from `since` to `until` (a time, or milliseconds of now); never negative, 0 when a time is missing. */
export function secondsBetween(since: string | null | undefined, until: string | number | null | undefined): number {
  if (!since || until === null || until === undefined) return 0;
  const end = typeof until === "number" ? until : Date.parse(until);
  return Math.max(0, (end - Date.parse(since)) / 1000);
}

/** Where currencies have fewer everyday digits, amounts still show every digit they hold. */
function moneyFormat(language: string, currency: string, digits: number): Intl.NumberFormat {
  const usual =
    new Intl.NumberFormat(language, { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2;
  const shown = Math.max(usual, digits);
  return new Intl.NumberFormat(language, {
    style: "currency",
    currency,
    minimumFractionDigits: shown,
    maximumFractionDigits: shown,
  });
}

function trimmed(amount: string): string {
  return amount.includes(".") ? amount.replace(/0+$/, "").replace(/\.$/, "") : amount;
}

/** Makes the formatters; an unknown currency code is written beside the plain number. */
export function makeFormatters({ language, timeZone }: FormatSettings): Formatters {
  const money = (amount: string | number, currency: string): string => {
    const text = trimmed(String(amount));
    try {
      return moneyFormat(language, currency, fractionDigits(text)).format(text as Intl.StringNumericLiteral);
    } catch {
      return `${text} ${currency}`;
    }
  };
  const dateTime = new Intl.DateTimeFormat(language, { timeZone, dateStyle: "short", timeStyle: "medium" });
  const date = new Intl.DateTimeFormat(language, { timeZone, dateStyle: "medium" });
  const time = new Intl.DateTimeFormat(language, { timeZone, timeStyle: "medium" });
  const hour = new Intl.DateTimeFormat(language, { timeZone: "UTC", hour: "2-digit", minute: "2-digit" });
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  const count = new Intl.NumberFormat(language);
  return {
    money,
    count: (value) => count.format(value),
    dateTime: (text) => dateTime.format(new Date(text)),
    date: (text) => date.format(new Date(text)),
    time: (text) => time.format(new Date(text)),
    relative: (text, now) => relativeText(relative, (Date.parse(text) - now) / 1000),
    hour: (value) => hour.format(new Date(Date.UTC(2000, 0, 1, value))),
  };
}

function relativeText(format: Intl.RelativeTimeFormat, seconds: number): string {
  const size = Math.abs(seconds);
  if (size < 60) return format.format(Math.round(seconds), "second");
  if (size < 3600) return format.format(Math.round(seconds / 60), "minute");
  if (size < 86_400) return format.format(Math.round(seconds / 3600), "hour");
  return format.format(Math.round(seconds / 86_400), "day");
}
