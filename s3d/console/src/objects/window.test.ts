import { expect, test } from "vitest";
import { rowsInSight } from "./window";

test("the rows in sight are drawn, and a few beyond", () => {
  expect(rowsInSight(1_000_000, 40, 400_000, 400)).toEqual({ first: 9_992, end: 10_018 });
  expect(rowsInSight(5, 40, 0, 400)).toEqual({ first: 0, end: 5 });
  expect(rowsInSight(0, 40, 0, 400)).toEqual({ first: 0, end: 0 });
  // The list became shorter while it was scrolled down.
  expect(rowsInSight(5, 40, 4_000, 400)).toEqual({ first: 5, end: 5 });
});
