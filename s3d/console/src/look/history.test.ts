import { expect, test } from "vitest";
import { areaOf, timesOf, topOf, valueAt } from "./history";

const changes = [
  { time: 10, value: 4 },
  { time: 20, value: 8 },
];

test("a value holds until the next one", () => {
  expect([5, 10, 19, 20, 99].map((time) => valueAt(changes, time))).toEqual([undefined, 4, 4, 8, 8]);
});

test.each([
  [[], 1],
  [[0], 1],
  [[3], 5],
  [[501], 1024],
  [[1025], 2048],
  [[7 * 1024 ** 3, 3], 10 * 1024 ** 3],
])("the scale of %j ends at %d", (values, top) => {
  expect(topOf(values)).toBe(top);
});

test("the area goes by steps, and begins where something is known", () => {
  const area = areaOf(changes, [0, 40], 8, [100, 50]);
  expect(area).toBe("M25.00 50H25.00V25.00H50.00V0.00H100.00V50Z");
  expect(areaOf([], [0, 40], 8, [100, 50])).toBe("");
});

test("times end with the last", () => {
  expect(timesOf([0, 40], 4)).toEqual([10, 20, 30, 40]);
});
