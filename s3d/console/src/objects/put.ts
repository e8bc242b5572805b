// Sending bytes to S3, so that one hears how many are gone.
import type { S3Request } from "@/server/batches";
import { Failure, failureOf, s3RefusalOf } from "@/server/failure";
import { sign, unreachable } from "@/server/s3";

/** Pauses before bytes are sent again, in milliseconds. */
const PAUSES = [1_000, 3_000, 9_000];

export interface Progress {
  /** Called with the bytes that were sent so far. */
  sent: (bytes: number) => void;
  signal: AbortSignal;
}

/** Sends bytes, again after a pause if the server was away or busy. */
export async function put(bucket: string, request: S3Request, bytes: Blob, type: string, progress: Progress) {
  for (const pause of [...PAUSES, undefined]) {
    try {
      const [url] = await sign(bucket, [request]);
      return await putOnce(url as string, bytes, type, progress);
    } catch (thrown) {
      const failure = failureOf(thrown);
      const passing = failure.code.startsWith("Unreachable") || failure.status === 503;
      if (!passing || pause === undefined || progress.signal.aborted) throw failure;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

/** `fetch` says nothing of what was sent so far; this does. */
function putOnce(url: string, bytes: Blob, type: string, { sent, signal }: Progress): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    const stopped = () => reject(new Failure("Stopped", "The upload was stopped."));
    request.upload.onprogress = (event) => sent(event.loaded);
    request.onload = () => {
      if (request.status >= 300) return reject(s3RefusalOf(request.status, request.responseText));
      sent(bytes.size);
      resolve();
    };
    // A file that was changed or removed since it was chosen cannot be read, and ends here, too.
    request.onerror = () => reject(unreachable(url));
    request.onabort = stopped;
    request.onloadend = () => signal.removeEventListener("abort", stop);
    if (signal.aborted) return stopped();
    signal.addEventListener("abort", stop);
    request.open("PUT", url);
    if (type) request.setRequestHeader("Content-Type", type);
    request.send(bytes);
  });
}
