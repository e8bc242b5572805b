// S3 requests, in as few calls of the REST API as sign them.

/** A request to a bucket, or to one of its objects. */
export interface S3Request {
  method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  key?: string;
  query?: Record<string, string>;
}

/** Requests that are signed with one call. */
const TOGETHER = 100;
/** Characters of one call: the REST API takes 16 KiB, and a character may have three bytes. */
const CHARACTERS = 5_000;

/** Requests in as few calls as can be; each call signs at least one. */
export function inCalls(requests: readonly S3Request[]): S3Request[][] {
  const calls: S3Request[][] = [];
  let length = Infinity;
  for (const request of requests) {
    const own = JSON.stringify(request).length;
    const call = calls.at(-1);
    if (call && call.length < TOGETHER && length + own <= CHARACTERS) {
      call.push(request);
      length += own;
    } else {
      calls.push([request]);
      length = own;
    }
  }
  return calls;
}
