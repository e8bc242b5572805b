// What the console says, in each language that it has.
import { createI18n } from "vue-i18n";
import de from "./de.json";
import en from "./en.json";

/** The languages, each by its own name. */
export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

const KEPT = "hayrack-language";

function first(): Language {
  const wanted = [localStorage.getItem(KEPT) ?? "", ...navigator.languages];
  const known = wanted.map((it) => it.slice(0, 2)).find((it) => it in LANGUAGES);
  return (known ?? "en") as Language;
}

export const texts = createI18n({
  legacy: false,
  locale: first(),
  fallbackLocale: "en",
  messages: { en, de },
});

/** Speaks another language from now on. */
export function speak(language: Language): void {
  texts.global.locale.value = language;
  localStorage.setItem(KEPT, language);
  document.documentElement.lang = language;
}

speak(texts.global.locale.value as Language);
