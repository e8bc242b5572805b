// Links to an object: one that downloads it now, one to hand on.
import { sign } from "@/server/s3";
import { lastPart } from "./names";

/** Downloads an object, under the last part of its key. S3 sends it, and no page shows it. */
export async function download(bucket: string, key: string): Promise<void> {
  const name = encodeURIComponent(lastPart(key)).replaceAll("'", "%27");
  const query = { "response-content-disposition": `attachment; filename*=UTF-8''${name}` };
  const [url] = await sign(bucket, [{ method: "GET", key, query }], 60);
  location.assign(url as string);
}

/** A link with which anybody can read an object for so many seconds. */
export async function shareLink(bucket: string, key: string, seconds: number): Promise<string> {
  const [url] = await sign(bucket, [{ method: "GET", key }], seconds);
  return url as string;
}
