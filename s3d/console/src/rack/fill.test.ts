import { expect, test } from "vitest";
import { fillOf } from "./fill";

test.each([
  [100, 100, 0],
  [100, 25, 0.75],
  [100, 0, 1],
  [0, 0, 1],
  [100, 120, 0],
])("of %d bytes, %d free: %d", (capacityBytes, freeBytes, fill) => {
  expect(fillOf({ capacityBytes, freeBytes })).toBe(fill);
});
