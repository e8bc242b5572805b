// Nodes as the calls about them name them, and what they have.
import type { Schemas } from "@/server/client";

type Node = Schemas["NodeView"];

/** What a path calls a node: one that is in no cluster has no name there. */
export const segmentOf = (node: Node) => (node.number == null ? "here" : node.name);

/** The node that a path names. */
export function nodeOf(nodes: Node[], segment: string): Node | undefined {
  return nodes.find((node) => segmentOf(node) === segment);
}

/** How a node does, by the word for it. */
export function stateOf(node: Node): "up" | "down" | "draining" | "unreachable" {
  if (!node.up) return "down";
  if (node.drain) return "draining";
  return node.unreachable ? "unreachable" : "up";
}

/** What other nodes can still hold, in bytes: those that are up and not being emptied. */
export function freeBeside(nodes: Node[], own: Node): number {
  const others = nodes.filter((node) => node !== own && node.up && !node.drain);
  return others.reduce((sum, node) => sum + node.room.freeBytes, 0);
}

/** A node, or nobody, for each slot of the mount, the first one first; no slots if nobody said where nodes are. */
export function bySlot(nodes: Node[], slots: number): (Node | undefined)[] {
  return Array.from({ length: slots }, (_, at) => nodes.find((node) => node.slot === at + 1));
}
