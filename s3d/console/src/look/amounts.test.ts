import { expect, test } from "vitest";
import { bytesText, durationText } from "./amounts";

test.each([
  [0, "1 minute"],
  [89, "1 minute"],
  [600, "10 minutes"],
  [7_300, "2 hours"],
  [200_000, "2 days"],
])("%d seconds are %s", (seconds, text) => {
  expect(durationText(seconds)).toBe(text);
});

test.each([
  [0, "0 B"],
  [1536, "1.5 KiB"],
  [2 ** 60, "1 EiB"],
])("%d bytes are %s", (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});
