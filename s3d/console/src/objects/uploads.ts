// The uploads of this page. They go on while the person looks at other places, and after a reload.
import { defineStore } from "pinia";
import { markRaw, reactive } from "vue";
import { useSession } from "@/account/session";
import { Failure, failureOf } from "@/server/failure";
import type { Found } from "./dropped";
import { fileOf } from "./handles";
import { forget, keep, leftBehind, type Kept } from "./kept";
import { discard, upload } from "./upload";

/** Files that are on their way at once. */
const TOGETHER = 3;

export interface Upload extends Kept {
  /** Nothing after a reload, until the file is found again. */
  file: File | undefined;
  sent: number;
  state: "waiting" | "running" | "paused" | "missing" | "failed" | "cancelled" | "done";
  failure: Failure | undefined;
  stop: () => void;
}

const owner = () => useSession().user?.email ?? "";
const isOver = (it: Upload) => it.state === "done" || it.state === "cancelled";

export const useUploads = defineStore("uploads", {
  state: () => ({
    uploads: [] as Upload[],
    queue: [] as Upload[],
    /** Counts those that are done: what lists the bucket looks again. */
    finished: 0,
    /** Bytes that S3 has of all of them. */
    sent: 0,
    /** Whose uploads of earlier pages were asked for. */
    found: "",
  }),

  getters: {
    counts: ({ uploads }) => {
      const counts = { running: 0, waiting: 0, paused: 0, missing: 0, failed: 0, cancelled: 0, done: 0, bytes: 0 };
      for (const it of uploads) {
        counts[it.state] += 1;
        counts.bytes += it.bytes;
      }
      return counts;
    },
  },

  actions: {
    /** Takes files, each to be stored under a prefix and its own path. One that was not over goes on. */
    add(bucket: string, prefix: string, found: Found[]) {
      const missing = this.missingBy((it) => `${it.bucket}/${it.key}`);
      const fresh: Upload[] = [];
      for (const one of found) {
        const known = sameAs(missing.get(`${bucket}/${prefix}${one.path}`), one.file);
        if (known) this.give(known, one.file);
        else fresh.push(uploadOf(begun(bucket, prefix, one), "waiting", one.file));
      }
      this.uploads = this.uploads.concat(fresh);
      this.queue.push(...fresh);
      void keep(fresh.map(keptOf));
      this.next();
    },

    /** Goes on with those whose files were found again, wherever they were chosen. Answers how many these are. */
    again(found: Found[]): number {
      const missing = this.missingBy((it) => it.path);
      const known = found.filter(({ path, file }) => sameAs(missing.get(path), file));
      for (const { path, file } of known) this.give(missing.get(path) as Upload, file);
      return known.length;
    },

    /** Goes on with one that was paused, failed, was called off or left behind. */
    async goOn(one: Upload) {
      if (one.file) return this.begin(one);
      const file = one.handle && (await fileOf(one.handle));
      if (file && sameAs(one, file)) this.give(one, file);
      else [one.handle, one.failure] = [undefined, new Failure("FileMissing", "Choose the file again.")];
    },

    pause(one: Upload) {
      one.state = "paused";
      one.stop();
      this.next();
    },

    /** Calls one off; nothing is left of it. */
    async cancel(one: Upload) {
      const running = one.state === "running";
      one.state = "cancelled";
      one.stop();
      // Of one that runs, something may still be on its way.
      if (!running) await this.throwAway(one);
      this.next();
    },

    /** Does the same with each that is in one of these states. */
    each(states: Upload["state"][], what: (one: Upload) => unknown) {
      for (const one of this.uploads.filter((it) => states.includes(it.state))) what(one);
    },

    /** Forgets those that are over. */
    clear() {
      this.uploads = this.uploads.filter((it) => !isOver(it));
      this.sent = this.uploads.reduce((sum, it) => sum + it.sent, 0);
    },

    /** Finds, once, what the person's earlier pages left behind. */
    async find() {
      if (owner() === this.found) return;
      this.found = owner();
      const found = await leftBehind(this.found);
      this.uploads = this.uploads.concat(found.map((kept) => uploadOf(kept, "missing")));
    },

    missingBy(name: (one: Upload) => string): Map<string, Upload> {
      return new Map(this.uploads.filter((it) => it.state === "missing").map((it) => [name(it), it]));
    },

    give(one: Upload, file: File) {
      one.file = markRaw(file);
      this.begin(one);
    },

    begin(one: Upload) {
      one.state = "waiting";
      this.queue.push(one);
      this.next();
    },

    next() {
      while (this.counts.running < TOGETHER) {
        const one = this.queue.shift();
        if (!one) return;
        // It may have been paused, or be in the queue twice.
        if (one.state === "waiting") void this.run(one);
      }
    },

    async run(one: Upload) {
      const stop = new AbortController();
      [one.state, one.failure, one.stop] = ["running", undefined, () => stop.abort()];
      this.report(one, 0);
      const began = (uploadId: string) => {
        one.uploadId = uploadId;
        void keep([keptOf(one)]);
      };
      const sent = (bytes: number) => this.report(one, bytes);
      try {
        const target = { bucket: one.bucket, key: one.key, file: one.file as File };
        await upload(target, { uploadId: one.uploadId, began, sent, signal: stop.signal });
        this.done(one);
      } catch (thrown) {
        if (!stop.signal.aborted) [one.state, one.failure] = ["failed", failureOf(thrown)];
        else if (isOver(one)) await this.throwAway(one);
      }
      this.next();
    },

    done(one: Upload) {
      one.state = "done";
      this.finished += 1;
      this.report(one, one.bytes);
      void forget([one.id]);
    },

    report(one: Upload, bytes: number) {
      this.sent += bytes - one.sent;
      one.sent = bytes;
    },

    async throwAway(one: Upload) {
      this.report(one, 0);
      await forget([one.id]);
      const { uploadId } = one;
      one.uploadId = undefined;
      if (uploadId) await discard(one.bucket, one.key, uploadId);
      if (!one.file) this.uploads = this.uploads.filter((it) => it.id !== one.id);
    },
  },
});

function begun(bucket: string, prefix: string, { path, file, handle }: Found): Kept {
  return {
    id: `${Date.now()}-${Math.random()}`,
    owner: owner(),
    bucket,
    key: prefix + path,
    path,
    bytes: file.size,
    modified: file.lastModified,
    uploadId: undefined,
    handle,
  };
}

/** What the browser gave is left as it is: reactive views of it could neither be kept nor sent. */
function uploadOf(kept: Kept, state: Upload["state"], file?: File): Upload {
  const handle = kept.handle && markRaw(kept.handle);
  const raw = file && markRaw(file);
  const rest = { state, sent: 0, failure: undefined, stop: () => undefined };
  return reactive({ ...kept, handle, file: raw, ...rest }) as Upload;
}

function keptOf(one: Upload): Kept {
  const { id, owner, bucket, key, path, bytes, modified, uploadId, handle } = one;
  return { id, owner, bucket, key, path, bytes, modified, uploadId, handle };
}

/** The upload, if this is the file that it began with. */
function sameAs(one: Upload | undefined, file: File): Upload | undefined {
  return one?.bytes === file.size && one.modified === file.lastModified ? one : undefined;
}
