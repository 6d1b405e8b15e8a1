import { describe, expect, it } from "vitest";
import { chooseLanguage, dictionaries } from "./i18n";

type Leaves = Map<string, unknown>;

function leaves(value: unknown, path = "", found: Leaves = new Map()): Leaves {
  if (typeof value === "object" && value !== null) {
    for (const [key, child] of Object.entries(value)) leaves(child, path ? `${path}.${key}` : key, found);
  } else {
    found.set(path, value);
  }
  return found;
}

const english = leaves(dictionaries.en);

describe.each(Object.entries(dictionaries))("the dictionary %s", (_language, dictionary) => {
  const texts = leaves(dictionary);

  it("has exactly the keys of the English one", () => {
    expect([...texts.keys()].sort()).toEqual([...english.keys()].sort());
  });

  it("has no empty text", () => {
    const empty = [...texts].filter(([, text]) => typeof text === "string" && text.trim() === "").map(([key]) => key);
    expect(empty).toEqual([]);
  });

  it("explains no two things with the same sentence", () => {
    const keys = new Map<unknown, string[]>();
    for (const [key, text] of texts) {
      if (typeof text === "string" && text.length > 40) keys.set(text, [...(keys.get(text) ?? []), key]);
    }
    expect([...keys.values()].filter((those) => those.length > 1)).toEqual([]);
  });

  it("puts every value into the texts that take values", () => {
    for (const [key, text] of texts) {
      if (typeof text !== "function") continue;
      const values = Array.from({ length: text.length }, (_, index) => index + 21);
      const written = String(text(...values));
      for (const value of values) expect(written, key).toContain(String(value));
    }
  });
});

describe("translations", () => {
  it.each(["pt-BR", "ru"] as const)("leave no sentence of %s in English", (language) => {
    const texts = leaves(dictionaries[language]);
    const same = [...english].filter(
      ([key, text]) => typeof text === "string" && text.includes(" ") && texts.get(key) === text,
    );
    expect(same).toEqual([]);
  });

  it("count Russian visits by the rules of the language", () => {
    const { visitCount } = dictionaries.ru.visitors;
    expect([1, 3, 5, 11, 21].map(visitCount)).toEqual(["1 визит", "3 визита", "5 визитов", "11 визитов", "21 визит"]);
  });
});

describe("chooseLanguage", () => {
  it("takes the first wish that the app speaks", () => {
    expect(chooseLanguage([null, "de-DE", "pt-PT", "ru"])).toBe("pt-BR");
    expect(chooseLanguage(["ru-RU"])).toBe("ru");
  });

  it("falls back to English", () => {
    expect(chooseLanguage(["de", "fr-FR"])).toBe("en");
    expect(chooseLanguage([])).toBe("en");
  });
});
