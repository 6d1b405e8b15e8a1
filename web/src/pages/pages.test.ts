import { describe, expect, it } from "vitest";
import { ApiError } from "../api/problem";
import type { Session } from "../api/types";
import { problemDetails, problemText } from "../components/problem-alert";
import { type FieldSpec, missingFields, visibleFields } from "../components/resource-form";
import { dictionaries, type Language } from "../i18n/i18n";
import { homePath, mayVisit } from "../shell/navigation";
import { queryOf, readFilters, writeFilters } from "./calls/filters";
import { sourceText } from "./people/people";
import { decimalText, filled } from "./setup/bodies";
import { lineErrors } from "./setup/line-errors";
import { waitingText } from "./setup/waiting";
import { hoursOf } from "./visitors/hours";

const session = (permissions: Session["permissions"]): Session => ({
  user_id: "u",
  username: "ana",
  name: "Ana",
  role: "agent",
  extension: "1001",
  language: null,
  permissions,
});

describe("navigation", () => {
  it("shows a page to those whom the server lets use it", () => {
    const agent = session({ calls: { read: "own", control: "own" }, cdrs: { read: "own" } });
    expect(mayVisit(agent, "live")).toBe(true);
    expect(mayVisit(agent, "rates")).toBe(false);
    expect(homePath(agent)).toBe("/live");
  });

  it("begins with the visitors for who does not work with live calls", () => {
    expect(homePath(session({ visits: { read: "all" }, cdrs: { read: "all" } }))).toBe("/visitors");
  });
});

describe("the filters of the history", () => {
  it("pass through the address unchanged", () => {
    const filters = {
      number: "495",
      direction: "inbound",
      disposition: "busy",
      since: "2026-03-01",
      until: "2026-03-02",
    };
    expect(readFilters(writeFilters(filters))).toEqual(filters);
  });

  it("take nothing that is no filter", () => {
    const read = readFilters(new URLSearchParams("direction=sideways&since=yesterday&disposition=%3Cb%3E"));
    expect(read).toEqual({ number: "", direction: "", disposition: "", since: "", until: "" });
  });

  it("include the whole last day in the company's time zone", () => {
    const query = queryOf(readFilters(new URLSearchParams("since=2026-03-01&until=2026-03-01")), "Europe/Moscow");
    expect(query).toMatchObject({ started_from: "2026-02-28T21:00:00.000Z", started_to: "2026-03-01T21:00:00.000Z" });
  });
});

describe("the hours of a day", () => {
  it("show the opening hours even when nobody came", () => {
    const hours = hoursOf(Array(24).fill(0));
    expect(hours.map(({ hour }) => hour)).toEqual([8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
    expect(hours.every(({ visits }) => visits === 0)).toBe(true);
  });

  it("grow to the hours in which somebody came", () => {
    const hours = hoursOf([0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0]);
    expect(hours[0]).toEqual({ hour: 6, visits: 1 });
    expect(hours.at(-1)).toEqual({ hour: 22, visits: 2 });
  });
});

describe("forms", () => {
  const fields: FieldSpec[] = [
    { name: "number", label: "", kind: "text", required: true, onlyNew: true },
    { name: "tags", label: "", kind: "tags", required: true },
    { name: "reason", label: "", kind: "text", required: true, shown: (values) => values.mode === "b" },
  ];

  it("ask only for what is shown", () => {
    const values = { number: "", tags: [], reason: "", mode: "a" };
    expect(missingFields(visibleFields(fields, values, true), values)).toEqual(["number", "tags"]);
    expect(missingFields(visibleFields(fields, { ...values, mode: "b" }, false), values)).toEqual(["tags", "reason"]);
  });

  it("leave empty texts to the server's own choice", () => {
    expect(filled({ number: " 1003 ", password: "", register: false }, ["number", "password", "register"])).toEqual({
      number: "1003",
      register: false,
    });
  });

  it("read decimals as people write them", () => {
    expect(["1,57", " 1 000,5 ", "0.72"].map(decimalText)).toEqual(["1.57", "1000.5", "0.72"]);
  });
});

describe("the wrong lines of a file", () => {
  it("are found in the places that the server names, in order", () => {
    const found = lineErrors([
      { field: "body.lines.12", message: "price" },
      { field: "line 3", message: "prefix" },
      { field: "2", message: "kind" },
      { field: "body.name", message: "no line" },
    ]);
    expect(found).toEqual([
      { line: 2, message: "kind" },
      { line: 3, message: "prefix" },
      { line: 12, message: "price" },
    ]);
  });
});

describe("a problem", () => {
  const detail = "No phone of extension 1001 is registered.";
  const unreachable = new ApiError(503, { type: "urn:ramal:problem:pbx.unreachable", detail, hint: "Look at it." });
  const i18n = (language: Language) => ({ t: dictionaries[language], language });

  it("is said in the user's language, with the server's exact words below", () => {
    expect(problemText(unreachable, i18n("pt-BR"))).toBe("Ninguém pode ser alcançado ali agora.");
    expect(problemText(unreachable, i18n("ru"))).toBe("Туда сейчас не дозвониться.");
    expect(problemDetails(unreachable, i18n("ru"))).toEqual([detail, "Look at it."]);
  });

  it("is said once in the server's own language", () => {
    expect(problemText(unreachable, i18n("en"))).toBe(detail);
    expect(problemDetails(unreachable, i18n("en"))).toEqual(["Look at it."]);
  });

  it("of an unknown kind is shown as it came", () => {
    expect(problemText(new ApiError(418, { type: "urn:other", detail: "Teapot" }), i18n("ru"))).toBe("Teapot");
  });
});

describe("the messages that wait for an extension", () => {
  const said = (language: Language, heardNot: number, heard: number) =>
    waitingText({ new: heardNot, old: heard }, dictionaries[language]);

  it("are counted in words of each language", () => {
    expect(said("en", 2, 5)).toBe("2 new, 5 heard");
    expect([said("pt-BR", 1, 1), said("pt-BR", 2, 5)]).toEqual(["1 nova, 1 ouvida", "2 novas, 5 ouvidas"]);
    expect([said("ru", 1, 21), said("ru", 2, 5)]).toEqual([
      "1 новое, 21 прослушанное",
      "2 новых, 5 прослушанных",
    ]);
  });

  it("are not spoken of where there are none", () => {
    expect([said("en", 0, 0), said("en", 3, 0), said("en", 0, 4)]).toEqual(["", "3 new", "4 heard"]);
  });
});

describe("the source of a person", () => {
  it("is translated where the server wrote it, and left as typed otherwise", () => {
    expect(sourceText("missed_call", dictionaries["pt-BR"])).toBe("Chamada perdida");
    expect(sourceText("fair in May", dictionaries.ru)).toBe("fair in May");
  });
});

describe("the time in which a rate holds", () => {
  it("is said in words, also where an end is open", () => {
    const { validText } = dictionaries.ru.rates;
    expect([validText("", ""), validText("1 мая", ""), validText("1 мая", "1 июня")]).toEqual([
      "всегда",
      "с 1 мая",
      "с 1 мая до 1 июня",
    ]);
  });
});
