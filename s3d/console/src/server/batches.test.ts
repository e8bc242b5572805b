import { expect, test } from "vitest";
import { inCalls, type S3Request } from "./batches";

const requests = (count: number, length: number): S3Request[] =>
  Array.from({ length: count }, (_, index) => ({ method: "GET", key: String(index).padStart(length, "k") }));

test("requests go in few calls, each in its place", () => {
  const asked = requests(250, 10);
  const calls = inCalls(asked);
  expect(calls.map((it) => it.length)).toEqual([100, 100, 50]);
  expect(calls.flat()).toEqual(asked);
  expect(inCalls([])).toEqual([]);
});

test("long keys go in calls that the server takes", () => {
  // A key has at most 1,024 bytes, which JSON may write as six each.
  const calls = inCalls(requests(20, 1_000));
  for (const call of calls) expect(JSON.stringify({ requests: call }).length).toBeLessThan(8_000);
  expect(inCalls(requests(2, 9_000)).map((it) => it.length)).toEqual([1, 1]);
});
