// How volumes do, and how far something is emptied.
import type { Schemas } from "@/server/client";

/** The word for what is worst about a volume. */
export function healthOf(volume: Schemas["VolumeView"]): "damaged" | "resyncing" | "stale" | "inSync" {
  if (volume.damagedBytes > 0) return "damaged";
  if (volume.staleReplicas === 0) return "inSync";
  return volume.resyncLeftBytes == null ? "stale" : "resyncing";
}

/** The share that was moved already, 0 to 1. */
export function shareMoved(drain: Schemas["DrainView"]): number {
  const all = drain.movedBytes + drain.leftBytes;
  return all > 0 ? drain.movedBytes / all : 1;
}

/** Whether what somebody wants to empty fits elsewhere, as far as sums say. */
export function fitOf(heldBytes: number, freeBytes: number): "empty" | "fits" | "short" {
  if (heldBytes === 0) return "empty";
  return heldBytes <= freeBytes ? "fits" : "short";
}
