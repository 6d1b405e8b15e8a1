/** The chosen language: its dictionary and formatters for every component, remembered in the browser. */

import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";
import { type Dictionary, en } from "./en";
import { type Formatters, makeFormatters } from "./format";
import { ptBR } from "./pt-br";
import { ru } from "./ru";

/** The languages of the app, each under its BCP 47 tag. */
export const dictionaries = { "pt-BR": ptBR, en, ru } satisfies Record<string, Dictionary>;

export type Language = keyof typeof dictionaries;

/** The languages by their own names. */
export const languageNames: Record<Language, string> = { "pt-BR": "Português", en: "English", ru: "Русский" };
/** The languages to choose from. */
export const languageOptions = Object.entries(languageNames).map(([value, label]) => ({ value, label }));

const STORAGE_KEY = "ramal.language";

/** The first of the wished languages that the app speaks; English when it speaks none. */
export function chooseLanguage(wishes: readonly (string | null | undefined)[]): Language {
  for (const wish of wishes) {
    const main = wish?.toLowerCase().split("-")[0];
    if (main === "pt") return "pt-BR";
    if (main === "ru") return "ru";
    if (main === "en") return "en";
  }
  return "en";
}

export interface I18n {
  /** All texts of the app in the chosen language. */
  t: Dictionary;
  /** Money, numbers and times in the chosen language. */
  f: Formatters;
  language: Language;
  setLanguage: (language: Language) => void;
  /** Takes the language of the user's account, unless another was chosen in this browser. */
  suggestLanguage: (language: string) => void;
  timeZone: string | undefined;
  setTimeZone: (timeZone: string | undefined) => void;
}

const Context = createContext<I18n | null>(null);

/** Gives the language to all below it. */
export function I18nProvider({ children }: { children: ReactNode }) {
  const [language, choose] = useState<Language>(() =>
    chooseLanguage([localStorage.getItem(STORAGE_KEY), ...navigator.languages]),
  );
  const [timeZone, setTimeZone] = useState<string | undefined>(undefined);

  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);

  const value = useMemo<I18n>(
    () => ({
      t: dictionaries[language],
      f: makeFormatters({ language, timeZone }),
      language,
      setLanguage: (next) => {
        localStorage.setItem(STORAGE_KEY, next);
        choose(next);
      },
      suggestLanguage: (suggested) => {
        if (localStorage.getItem(STORAGE_KEY) === null) choose(chooseLanguage([suggested]));
      },
      timeZone,
      setTimeZone,
    }),
    [language, timeZone],
  );
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

/** The texts and formatters of the chosen language. */
export function useI18n(): I18n {
  const value = useContext(Context);
  if (!value) throw new Error("useI18n needs an I18nProvider above it");
  return value;
}
