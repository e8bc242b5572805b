import { expect, test } from "vitest";
import de from "./de.json";
import en from "./en.json";

type Texts = { [key: string]: string | Texts };

/** The path of each text, with the places for values that it has. */
function placesOf(texts: Texts, path = ""): string[] {
  return Object.entries(texts).flatMap(([key, text]) => {
    const own = `${path}.${key}`;
    if (typeof text !== "string") return placesOf(text, own);
    const values = new Set(text.match(/\{[a-z]+\}/gi) ?? []);
    return [`${own} ${[...values].sort().join(" ")} ${text.split(" | ").length}`];
  });
}

test("both languages say the same things", () => {
  // The server's own sentences are English; German has more of its own.
  const { failures: english, ...ofEnglish } = en;
  const { failures: german, ...ofGerman } = de;
  expect(placesOf(ofGerman)).toEqual(placesOf(ofEnglish));
  expect(Object.keys(german)).toEqual(expect.arrayContaining(Object.keys(english)));
});
