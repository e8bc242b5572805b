// Many requests to S3 of one kind.
import type { S3Request } from "./batches";
import { fetchSigned, sign, type Sent } from "./s3";

/** Requests that are under way at once. */
const TOGETHER = 6;
/** Requests that are signed ahead: their URLs must not end before they are used. */
const AHEAD = 100;

/** Sends requests, up to the first that fails; `done` hears how many are over. */
export async function sendMany(
  bucket: string,
  requests: readonly S3Request[],
  done: (count: number) => void,
  sent: Sent = {},
): Promise<void> {
  let count = 0;
  for (let start = 0; start < requests.length; start += AHEAD) {
    const some = requests.slice(start, start + AHEAD);
    const urls = await sign(bucket, some);
    const waiting = some.map(({ method }, index) => ({ method, url: urls[index] as string }));
    const worker = async () => {
      for (let one = waiting.pop(); one; one = waiting.pop()) {
        await fetchSigned(one.url, one.method, sent);
        count += 1;
        done(count);
      }
    };
    const workers = Array.from({ length: TOGETHER }, worker);
    try {
      await Promise.all(workers);
    } catch (thrown) {
      waiting.length = 0;
      await Promise.allSettled(workers);
      throw thrown;
    }
  }
}
