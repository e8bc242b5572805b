// Storing a file: in one request, or in parts if it is long.
import { failureOf } from "@/server/failure";
import { documentOf, send, textOf } from "@/server/s3";
import { partsOf, WHOLE } from "./parts";
import { put } from "./put";

/** Parts that are on their way at once. */
const TOGETHER = 3;

/** What is stored where. */
export interface Target {
  bucket: string;
  key: string;
  file: File;
}

/** How a file is on its way. */
export interface Course {
  /** The upload in parts that an earlier attempt began. */
  uploadId: string | undefined;
  /** Called when an upload in parts is begun: whoever knows its id can go on with it later. */
  began: (uploadId: string) => void;
  /** Called with the bytes that S3 has so far. */
  sent: (bytes: number) => void;
  signal: AbortSignal;
}

interface StoredPart {
  number: number;
  bytes: number;
  tag: string;
}

/** Stores a file under a key. If that fails or is stopped, the parts that S3 has stay there. */
export async function upload(target: Target, course: Course): Promise<void> {
  const { bucket, key, file } = target;
  if (file.size <= WHOLE) {
    await put(bucket, { method: "PUT", key }, file, file.type, course);
    return;
  }
  const stored = course.uploadId ? await partsSoFar(target, course.uploadId) : undefined;
  const uploadId = stored && course.uploadId ? course.uploadId : await begin(target, course);
  await putParts(target, uploadId, stored ?? [], course);
  await complete(target, uploadId);
}

/** Has S3 forget the parts of an upload that nobody will complete: they would fill the bucket. */
export async function discard(bucket: string, key: string, uploadId: string): Promise<void> {
  await send(bucket, { method: "DELETE", key, query: { uploadId } }).catch(() => undefined);
}

async function begin({ bucket, key, file }: Target, course: Course): Promise<string> {
  const headers: Record<string, string> = file.type ? { "Content-Type": file.type } : {};
  const began = await send(bucket, { method: "POST", key, query: { uploads: "" } }, { headers });
  const uploadId = textOf(await documentOf(began), "UploadId");
  course.began(uploadId);
  return uploadId;
}

/** The parts that S3 has; nothing if it does not know the upload any more. */
async function partsSoFar(target: Target, uploadId: string): Promise<StoredPart[] | undefined> {
  try {
    return await storedParts(target, uploadId);
  } catch (thrown) {
    if (failureOf(thrown).code === "NoSuchUpload") return undefined;
    throw thrown;
  }
}

async function storedParts({ bucket, key }: Target, uploadId: string): Promise<StoredPart[]> {
  const parts: StoredPart[] = [];
  let marker = "";
  do {
    const query = { uploadId, "part-number-marker": marker || "0" };
    const page = await documentOf(await send(bucket, { method: "GET", key, query }));
    for (const part of page.getElementsByTagName("Part")) {
      const [number, bytes] = [Number(textOf(part, "PartNumber")), Number(textOf(part, "Size"))];
      parts.push({ number, bytes, tag: textOf(part, "ETag") });
    }
    marker = textOf(page, "IsTruncated") === "true" ? textOf(page, "NextPartNumberMarker") : "";
  } while (marker);
  return parts;
}

async function putParts({ bucket, key, file }: Target, uploadId: string, stored: StoredPart[], course: Course) {
  const sent = new Map(stored.map((it) => [it.number, it.bytes]));
  const report = (number: number, bytes: number) => {
    sent.set(number, bytes);
    course.sent([...sent.values()].reduce((sum, it) => sum + it, 0));
  };
  const waiting = partsOf(file.size).filter((it) => sent.get(it.number) !== it.end - it.start).reverse();
  const stop = new AbortController();
  const signal = AbortSignal.any([course.signal, stop.signal]);
  const worker = async () => {
    for (let part = waiting.pop(); part; part = waiting.pop()) {
      const { number, start, end } = part;
      const query = { uploadId, partNumber: String(number) };
      const sentOfPart = (bytes: number) => report(number, bytes);
      await put(bucket, { method: "PUT", key, query }, file.slice(start, end), "", { sent: sentOfPart, signal });
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
async function complete(target: Target, uploadId: string) {
  const parts = (await storedParts(target, uploadId)).map(
    ({ number, tag }) => `<Part><PartNumber>${number}</PartNumber><ETag>${tag}</ETag></Part>`,
  );
  const body = `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`;
  await send(target.bucket, { method: "POST", key: target.key, query: { uploadId } }, { body });
}
