// Moving and copying objects and whole folders within a bucket. S3 does it; no byte travels.
import { answerOf, rest } from "@/server/client";
import type { S3Request } from "@/server/batches";
import { sendMany } from "@/server/many";
import { REPLACING_NONE } from "@/server/s3";
import { keysOf } from "./deletion";
import { copyRequest, type Step } from "./steps";

export interface Progress {
  /** Called with how many objects there are, as far as they are counted. */
  counted: (count: number) => void;
  /** Called with how many are over. */
  done: (count: number) => void;
}

/** Gives entries other names; nothing that is there already is replaced. A folder moves at once, however much is in it. */
export async function move(bucket: string, steps: readonly Step[], progress: Progress): Promise<void> {
  progress.counted(steps.length);
  const objects = steps.filter((it) => !it.from.folder);
  const requests = objects.map(({ from, to }): S3Request => {
    const source = encodeURIComponent(`${bucket}/${from.name}`);
    return { method: "PUT", key: to, query: { renameObject: "", "x-amz-rename-source": source } };
  });
  await sendMany(bucket, requests, progress.done, REPLACING_NONE);
  const folders = steps.filter((it) => it.from.folder);
  for (const [index, { from, to }] of folders.entries()) {
    const body = { from: from.name, to };
    await answerOf(rest.POST("/api/v1/buckets/{name}/rename-prefix", { params: { path: { name: bucket } }, body }));
    progress.done(objects.length + index + 1);
  }
}

/** Copies entries, a folder object by object; nothing that is there already is replaced. */
export async function copy(bucket: string, steps: readonly Step[], progress: Progress): Promise<void> {
  const requests: S3Request[] = [];
  for (const { from, to } of steps) {
    const keys = await keysOf(bucket, [from], (count) => progress.counted(requests.length + count));
    for (const key of keys) requests.push(copyRequest(bucket, key, to + key.slice(from.name.length)));
  }
  progress.counted(requests.length);
  await sendMany(bucket, requests, progress.done, REPLACING_NONE);
}
