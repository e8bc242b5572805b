// Into which parts an upload is cut.

const MIB = 2 ** 20;
/** S3 takes so many parts of one object. */
const MOST_PARTS = 10_000;
/** What is not longer goes in one request. */
export const WHOLE = 16 * MIB;

/** A run of bytes of a file, `end` not included. */
export interface Part {
  number: number;
  start: number;
  end: number;
}

/** Parts of 8 MiB, or longer ones if these were too many. */
export function partsOf(bytes: number): Part[] {
  const length = Math.max(8 * MIB, Math.ceil(bytes / MOST_PARTS / MIB) * MIB);
  const count = Math.max(1, Math.ceil(bytes / length));
  return Array.from({ length: count }, (_, index) => ({
    number: index + 1,
    start: index * length,
    end: Math.min(bytes, (index + 1) * length),
  }));
}
