import { describe, expect, it } from "vitest";
import { addDays, clock, dayOf, makeFormatters, secondsBetween, startOfDay } from "./format";

/** Spaces that Intl chooses differ between versions; what is tested is the text. */
const plain = (text: string): string => text.replace(/\s/g, " ");

describe("money", () => {
  it("is written to the kopeck in the language's own way", () => {
    expect(plain(makeFormatters({ language: "ru" }).money("3.14", "RUB"))).toBe("3,14 ₽");
    expect(plain(makeFormatters({ language: "pt-BR" }).money("1234.5", "BRL"))).toBe("R$ 1.234,50");
    expect(plain(makeFormatters({ language: "en" }).money("0.72", "USD"))).toBe("$0.72");
  });

  it("keeps digits beyond the usual two, and drops zeros that say nothing", () => {
    const { money } = makeFormatters({ language: "en" });
    expect(money("0.0725", "USD")).toBe("$0.0725");
    expect(money("1.570000", "USD")).toBe("$1.57");
    expect(money("2.000000", "USD")).toBe("$2.00");
  });

  it("keeps amounts that a binary number could not hold", () => {
    expect(makeFormatters({ language: "en" }).money("90071992547409931.07", "USD")).toBe("$90,071,992,547,409,931.07");
  });

  it("shows an unknown currency beside the number", () => {
    expect(makeFormatters({ language: "en" }).money("5", "??")).toBe("5 ??");
  });
});

describe("clock", () => {
  it("shows minutes and seconds, and hours when there are any", () => {
    expect([0, 9.9, 61, 3599, 3600, 36_061].map(clock)).toEqual([
      "0:00",
      "0:09",
      "1:01",
      "59:59",
      "1:00:00",
      "10:01:01",
    ]);
  });

  it("never goes below zero", () => {
    expect(clock(-5)).toBe("0:00");
  });
});

describe("secondsBetween", () => {
  it("is zero where a time is missing or the clocks disagree", () => {
    expect(secondsBetween(null, 5)).toBe(0);
    expect(secondsBetween("2026-03-01T10:00:05Z", "2026-03-01T10:00:00Z")).toBe(0);
  });

  it("keeps parts of a second", () => {
    expect(secondsBetween("2026-03-01T10:00:00Z", "2026-03-01T10:00:01.250Z")).toBe(1.25);
  });
});

describe("days", () => {
  it("begin at midnight of the company's time zone", () => {
    expect(startOfDay("2026-03-01", "Europe/Moscow")).toBe("2026-02-28T21:00:00.000Z");
    expect(startOfDay("2026-03-01", "America/Sao_Paulo")).toBe("2026-03-01T03:00:00.000Z");
    expect(startOfDay("2026-03-01", "UTC")).toBe("2026-03-01T00:00:00.000Z");
  });

  it("begin at midnight where the clocks change on that day", () => {
    expect(startOfDay("2026-10-04", "Australia/Sydney")).toBe("2026-10-03T14:00:00.000Z");
    expect(startOfDay("2026-09-27", "Pacific/Auckland")).toBe("2026-09-26T12:00:00.000Z");
    expect(startOfDay("2026-11-01", "America/New_York")).toBe("2026-11-01T04:00:00.000Z");
    expect(startOfDay("2026-03-29", "Europe/Berlin")).toBe("2026-03-28T23:00:00.000Z");
  });

  it("are those of the company, not of the browser", () => {
    const late = new Date("2026-03-01T22:30:00Z");
    expect(dayOf(late, "Europe/Moscow")).toBe("2026-03-02");
    expect(dayOf(late, "America/Sao_Paulo")).toBe("2026-03-01");
  });

  it("are counted across the ends of months and years", () => {
    expect(addDays("2026-02-28", 1)).toBe("2026-03-01");
    expect(addDays("2026-01-01", -1)).toBe("2025-12-31");
  });
});
