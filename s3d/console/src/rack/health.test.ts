import { expect, test } from "vitest";
import { fitOf, healthOf, shareMoved } from "./health";

const volume = { name: "v", sizeBytes: 1, usedBytes: 1, replicas: 2, staleReplicas: 0, damagedBytes: 0 };

test("the worst about a volume is what is said", () => {
  expect(healthOf(volume)).toBe("inSync");
  expect(healthOf({ ...volume, staleReplicas: 1 })).toBe("stale");
  expect(healthOf({ ...volume, staleReplicas: 1, resyncLeftBytes: 0 })).toBe("resyncing");
  expect(healthOf({ ...volume, staleReplicas: 1, damagedBytes: 4096 })).toBe("damaged");
});

test("what is moved is a share of what there was", () => {
  const drain = (movedBytes: number, leftBytes: number) => ({ state: "moving", begun: "", movedBytes, leftBytes });
  expect(shareMoved(drain(1, 3))).toBe(0.25);
  expect(shareMoved(drain(0, 0))).toBe(1);
});

test("something fits, does not, or is empty", () => {
  expect([fitOf(0, 0), fitOf(5, 5), fitOf(6, 5)]).toEqual(["empty", "fits", "short"]);
});
