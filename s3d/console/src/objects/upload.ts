// Storing a file: in one request, or in parts if it is long.
import type { S3Request } from "@/server/batches";
import { Failure, failureOf, s3RefusalOf } from "@/server/failure";
import { documentOf, send, sign, textOf, unreachable } from "@/server/s3";
import { partsOf, WHOLE, type Part } from "./parts";

/** Parts that are on their way at once. */
const TOGETHER = 3;
/** Pauses before a part is sent again, in milliseconds. */
const PAUSES = [1_000, 3_000, 9_000];

export interface Progress {
  /** Called with the bytes that were sent so far. */
  sent: (bytes: number) => void;
  signal: AbortSignal;
}

/** Stores a file under a key. Nothing is left of it if that fails or is called off. */
export async function upload(bucket: string, key: string, file: File, progress: Progress): Promise<void> {
  if (file.size <= WHOLE) {
    await put(bucket, { method: "PUT", key }, file, file.type, progress);
    return;
  }
  const began = await send(bucket, { method: "POST", key, query: { uploads: "" } });
  const uploadId = textOf(await documentOf(began), "UploadId");
  const query = { uploadId };
  try {
    await putParts(bucket, key, uploadId, file, progress);
    await complete(bucket, key, uploadId);
  } catch (thrown) {
    // Parts that nobody completes would fill the bucket.
    await send(bucket, { method: "DELETE", key, query }).catch(() => undefined);
    throw thrown;
  }
}

async function putParts(bucket: string, key: string, uploadId: string, file: File, progress: Progress) {
  const waiting = partsOf(file.size).reverse();
  const sent = new Map<number, number>();
  const stop = new AbortController();
  const signal = AbortSignal.any([progress.signal, stop.signal]);
  const report = (part: Part) => (bytes: number) => {
    sent.set(part.number, bytes);
    progress.sent([...sent.values()].reduce((sum, it) => sum + it, 0));
  };
  const worker = async () => {
    for (let part = waiting.pop(); part; part = waiting.pop()) {
      const query = { uploadId, partNumber: String(part.number) };
      const bytes = file.slice(part.start, part.end);
      await put(bucket, { method: "PUT", key, query }, bytes, "", { sent: report(part), signal });
    }
  };
  const workers = Array.from({ length: TOGETHER }, worker);
  try {
    await Promise.all(workers);
  } catch (thrown) {
    stop.abort();
    await Promise.allSettled(workers);
    throw thrown;
  }
}

/** Completes an upload of the parts that S3 has. */
async function complete(bucket: string, key: string, uploadId: string) {
  const parts: string[] = [];
  let marker = "";
  do {
    const query = { uploadId, "part-number-marker": marker || "0" };
    const page = await documentOf(await send(bucket, { method: "GET", key, query }));
    for (const part of page.getElementsByTagName("Part")) {
      const [number, tag] = [textOf(part, "PartNumber"), textOf(part, "ETag")];
      parts.push(`<Part><PartNumber>${number}</PartNumber><ETag>${tag}</ETag></Part>`);
    }
    marker = textOf(page, "IsTruncated") === "true" ? textOf(page, "NextPartNumberMarker") : "";
  } while (marker);
  const body = `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`;
  await send(bucket, { method: "POST", key, query: { uploadId } }, body);
}

/** Sends bytes, again after a pause if the server was away or busy. */
async function put(bucket: string, request: S3Request, bytes: Blob, type: string, progress: Progress) {
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
    const cancel = () => request.abort();
    request.upload.onprogress = (event) => sent(event.loaded);
    request.onload = () => {
      if (request.status >= 300) return reject(s3RefusalOf(request.status, request.responseText));
      sent(bytes.size);
      resolve();
    };
    request.onerror = () => reject(unreachable(url));
    request.onabort = () => reject(new Failure("Cancelled", "The upload was called off."));
    request.onloadend = () => signal.removeEventListener("abort", cancel);
    if (signal.aborted) return reject(new Failure("Cancelled", "The upload was called off."));
    signal.addEventListener("abort", cancel);
    request.open("PUT", url);
    if (type) request.setRequestHeader("Content-Type", type);
    request.send(bytes);
  });
}
