// How full something is.

/** The share of the room that is used, 0 to 1; something without room is full. */
export function fillOf(room: { capacityBytes: number; freeBytes: number }): number {
  if (room.capacityBytes <= 0) return 1;
  return Math.min(1, Math.max(0, 1 - room.freeBytes / room.capacityBytes));
}
