import { expect, test } from "vitest";
import { NOTHING, queryOf } from "./filter";

test("what is empty does not count", () => {
  expect(Object.values(queryOf({ ...NOTHING, action: " " })).every((it) => it === undefined)).toBe(true);
});

test("who is a person or a key", () => {
  expect(queryOf({ ...NOTHING, who: "ada@example.com" })).toMatchObject({ email: "ada@example.com", key: undefined });
  expect(queryOf({ ...NOTHING, who: "HAYRACK1" })).toMatchObject({ email: undefined, key: "HAYRACK1" });
});

test("the last day counts, too", () => {
  const { since, until } = queryOf({ ...NOTHING, from: "2026-01-30", to: "2026-01-31" });
  expect(since).toBe(new Date("2026-01-30T00:00:00").toISOString());
  expect(until).toBe(new Date("2026-02-01T00:00:00").toISOString());
});
