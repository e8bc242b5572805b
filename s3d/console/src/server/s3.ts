// S3, by requests that the REST API signs. The bytes of objects go between the browser and S3.
import { inCalls, type S3Request } from "./batches";
import { answerOf, rest } from "./client";
import { Failure, s3RefusalOf } from "./failure";

/** The URLs that make these requests, good for so many seconds. */
export async function sign(
  bucket: string,
  requests: readonly S3Request[],
  expiresInSeconds?: number,
): Promise<string[]> {
  const urls: string[] = [];
  for (const call of inCalls(requests)) {
    const path = { params: { path: { name: bucket } }, body: { requests: call, expiresInSeconds } };
    urls.push(...(await answerOf(rest.POST("/api/v1/buckets/{name}/presigned-urls", path))).urls);
  }
  return urls;
}

/** What goes with a request beside its URL. */
export interface Sent {
  body?: string;
  headers?: Record<string, string>;
}

/** The request makes an object, and replaces none. */
export const REPLACING_NONE: Sent = { headers: { "If-None-Match": "*" } };

/** Signs and sends a request. */
export async function send(bucket: string, request: S3Request, sent: Sent = {}): Promise<Response> {
  const [url] = await sign(bucket, [request]);
  return fetchSigned(url as string, request.method, sent);
}

/** Sends a request that is signed. */
export async function fetchSigned(url: string, method: string, sent: Sent = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { method, ...sent, credentials: "omit", cache: "no-store" });
  } catch {
    throw unreachable(url);
  }
  if (response.ok) return response;
  throw s3RefusalOf(response.status, await response.text());
}

/** Nothing answers where S3 should be. */
export function unreachable(url: string): Failure {
  return new Failure("UnreachableS3", "S3 does not answer.", {}, 0, new URL(url).origin);
}

/** A document of S3. */
export async function documentOf(response: Response): Promise<Document> {
  return new DOMParser().parseFromString(await response.text(), "application/xml");
}

/** The text of the first element of this name below `parent`. */
export function textOf(parent: Element | Document, name: string): string {
  return parent.getElementsByTagName(name)[0]?.textContent ?? "";
}
