// Deleting objects and whole folders.
import { sendMany } from "@/server/many";
import type { Entry } from "./entries";
import { listPage } from "./listing";

/** Every key that entries stand for: of a folder, all below it. `counted` hears how many there are so far. */
export async function keysOf(
  bucket: string,
  entries: readonly Entry[],
  counted: (count: number) => void,
): Promise<string[]> {
  const keys: string[] = [];
  for (const entry of entries) {
    if (!entry.folder) keys.push(entry.name);
    else {
      let next: string | undefined;
      do {
        const page = await listPage(bucket, entry.name, next, true);
        for (const found of page.entries) keys.push(found.name);
        counted(keys.length);
        next = page.next;
      } while (next);
    }
  }
  return keys;
}

/** Deletes these keys; `deleted` hears how many are gone. */
export const deleteKeys = (bucket: string, keys: readonly string[], deleted: (count: number) => void) =>
  sendMany(bucket, keys.map((key) => ({ method: "DELETE", key })), deleted);
