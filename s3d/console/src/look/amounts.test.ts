import { expect, test } from "vitest";
import { durationText } from "./amounts";

test.each([
  [0, "1 minute"],
  [89, "1 minute"],
  [600, "10 minutes"],
  [7_300, "2 hours"],
  [200_000, "2 days"],
])("%d seconds are %s", (seconds, text) => {
  expect(durationText(seconds)).toBe(text);
});
