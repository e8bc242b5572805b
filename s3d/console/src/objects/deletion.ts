// Deleting objects and whole folders.
import type { S3Request } from "@/server/batches";
import { fetchSigned, sign } from "@/server/s3";
import { listPage, type Entry } from "./listing";

/** Deletes that are under way at once. */
const TOGETHER = 6;
/** Requests that are signed ahead: their URLs must not end before they are used. */
const AHEAD = 100;

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
export async function deleteKeys(
  bucket: string,
  keys: readonly string[],
  deleted: (count: number) => void,
): Promise<void> {
  let count = 0;
  for (let start = 0; start < keys.length; start += AHEAD) {
    const requests: S3Request[] = keys
      .slice(start, start + AHEAD)
      .map((key) => ({ method: "DELETE", key }));
    const urls = await sign(bucket, requests);
    const worker = async () => {
      for (let url = urls.pop(); url; url = urls.pop()) {
        await fetchSigned(url, "DELETE");
        count += 1;
        deleted(count);
      }
    };
    await Promise.all(Array.from({ length: TOGETHER }, worker));
  }
}
