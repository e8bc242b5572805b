import { expect, test } from "vitest";
import type { Schemas } from "@/server/client";
import { bySlot, freeBeside, nodeOf, segmentOf, stateOf } from "./nodes";

type Node = Schemas["NodeView"];

const drain = { state: "moving", begun: "", movedBytes: 0, leftBytes: 1 };

function node(number: number | null, more: Partial<Node> = {}): Node {
  const room = { capacityBytes: 10, usedBytes: 3, freeBytes: 7 };
  return { number, name: `node-${number}`, here: false, up: true, disks: 1, room, ...more };
}

test("a node in no cluster is the one that answers", () => {
  expect(segmentOf(node(null))).toBe("here");
  const nodes = [node(1), node(2)];
  expect(nodeOf(nodes, "node-2")).toBe(nodes[1]);
  expect(nodeOf(nodes, "here")).toBeUndefined();
});

test("a node is down, emptied, not reached or up", () => {
  expect(stateOf(node(1, { up: false, drain }))).toBe("down");
  expect(stateOf(node(1, { drain, unreachable: "no route" }))).toBe("draining");
  expect(stateOf(node(1, { unreachable: "no route" }))).toBe("unreachable");
  expect(stateOf(node(1))).toBe("up");
});

test("only nodes that take something count as room", () => {
  const own = node(1);
  expect(freeBeside([own, node(2), node(3, { up: false }), node(4, { drain })], own)).toBe(7);
});

test("slots have their nodes, and free ones nobody", () => {
  const nodes = [node(1, { slot: 3 }), node(2, { slot: 1 }), node(3)];
  expect(bySlot(nodes, 4)).toEqual([nodes[1], undefined, nodes[0], undefined]);
  expect(bySlot(nodes, 0)).toEqual([]);
});
