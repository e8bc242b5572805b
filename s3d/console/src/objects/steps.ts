// What moving and copying is made of.
import type { S3Request } from "@/server/batches";
import type { Entry } from "./entries";
import { lastPart } from "./names";

/** An object or a folder, and what it shall be called. */
export interface Step {
  from: Entry;
  to: string;
}

/** One entry becomes `to` itself; several go into the folder `to`. */
export function stepsTo(entries: readonly Entry[], to: string): Step[] {
  const asFolder = (name: string) => (name === "" || name.endsWith("/") ? name : `${name}/`);
  const [first, ...others] = entries;
  if (first && others.length === 0) return [{ from: first, to: first.folder ? asFolder(to) : to }];
  return entries.map((from) => ({ from, to: asFolder(to) + lastPart(from.name) }));
}

/** What copies an object. S3 wants the slashes of the source as they are. */
export function copyRequest(bucket: string, from: string, to: string, query: Record<string, string> = {}): S3Request {
  const source = `${bucket}/${from}`.split("/").map(encodeURIComponent).join("/");
  return { method: "PUT", key: to, query: { "x-amz-copy-source": source, ...query } };
}
