// The uploads of this tab. They go on while the person looks at other pages.
import { defineStore } from "pinia";
import { computed, reactive, ref } from "vue";
import { failureOf, type Failure } from "@/server/failure";
import { upload } from "./upload";

/** Files that are on their way at once. */
const TOGETHER = 3;

export interface Upload {
  id: number;
  bucket: string;
  key: string;
  file: File;
  sent: number;
  state: "waiting" | "running" | "done" | "failed" | "cancelled";
  failure: Failure | undefined;
  cancel: () => void;
}

export const useUploads = defineStore("uploads", () => {
  const uploads = ref<Upload[]>([]);
  /** Counts those that are done: what lists the bucket looks again. */
  const finished = ref(0);
  const running = computed(() => uploads.value.filter((it) => it.state === "running").length);
  let number = 0;

  /** Takes files, each with the key that it shall have. */
  function add(bucket: string, files: { key: string; file: File }[]) {
    for (const { key, file } of files) {
      number += 1;
      const one: Upload = reactive({
        id: number, bucket, key, file, sent: 0, state: "waiting", failure: undefined, cancel: () => leave(one),
      });
      uploads.value.push(one);
    }
    next();
  }

  function leave(one: Upload) {
    one.state = "cancelled";
  }

  function next() {
    for (const one of uploads.value) {
      if (running.value >= TOGETHER) return;
      if (one.state === "waiting") void run(one);
    }
  }

  async function run(one: Upload) {
    const stop = new AbortController();
    one.state = "running";
    one.failure = undefined;
    one.cancel = () => stop.abort();
    try {
      await upload(one.bucket, one.key, one.file, { sent: (bytes) => (one.sent = bytes), signal: stop.signal });
      one.state = "done";
      finished.value += 1;
    } catch (thrown) {
      one.failure = failureOf(thrown);
      one.state = stop.signal.aborted ? "cancelled" : "failed";
    }
    next();
  }

  /** Begins one anew that failed or was called off. */
  function retry(one: Upload) {
    one.sent = 0;
    one.state = "waiting";
    next();
  }

  /** Forgets those that are over. */
  function clear() {
    uploads.value = uploads.value.filter((it) => it.state === "waiting" || it.state === "running");
  }

  return { uploads, finished, running, add, retry, clear };
});
