import { expect, test } from "vitest";
import { brokenRule } from "./name";

test.each([
  ["ab", "length"],
  ["a".repeat(64), "length"],
  ["My-bucket", "character"],
  ["a_b", "character"],
  ["-abc", "ends"],
  ["a..b", "ends"],
  ["a.-b", "ends"],
  ["192.168.5.4", "address"],
  ["xn--abc", "reserved"],
  ["abc--x-s3", "reserved"],
  ["abc", undefined],
  ["my.bucket-1", undefined],
  ["1.2.3", undefined],
  ["a".repeat(63), undefined],
])("%s breaks the rule %s", (name, rule) => {
  expect(brokenRule(name)).toBe(rule);
});
