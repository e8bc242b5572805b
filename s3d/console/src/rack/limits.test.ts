import { expect, test } from "vitest";
import { limitOf } from "./limits";

test.each([
  ["", null],
  [" ", null],
  ["0", 0],
  ["12", 12],
  ["-1", undefined],
  ["1.5", undefined],
  ["many", undefined],
  ["4294967296", undefined],
])("%j is %j", (text, limit) => {
  expect(limitOf(text)).toBe(limit);
});
