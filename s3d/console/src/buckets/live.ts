// The buckets as they are now, by the server's events.
import { defineStore } from "pinia";
import { ref } from "vue";
import { answerOf, rest, type Schemas } from "@/server/client";
import { failureOf, type Failure } from "@/server/failure";

export type Bucket = Schemas["BucketView"];

export const useBuckets = defineStore("buckets", () => {
  const buckets = ref<Bucket[]>();
  const failure = ref<Failure>();
  let source: EventSource | undefined;
  let followers = 0;

  /** Asks once: what is wrong has a reason then, which an event source does not say. */
  async function read() {
    try {
      buckets.value = (await answerOf(rest.GET("/api/v1/buckets"))).buckets;
      failure.value = undefined;
    } catch (thrown) {
      failure.value = failureOf(thrown);
    }
  }

  function connect() {
    source = new EventSource("/api/v1/bucket-events");
    source.addEventListener("buckets", (event) => {
      buckets.value = (JSON.parse(event.data) as Schemas["BucketsView"]).buckets;
      failure.value = undefined;
    });
    source.addEventListener("error", () => {
      // A stream that ended comes back by itself; one that was refused does not, and is asked why.
      if (source?.readyState === EventSource.CLOSED) void read();
    });
  }

  /** Follows the buckets until the answer is called. */
  function follow(): () => void {
    followers += 1;
    if (followers === 1) connect();
    return () => {
      followers -= 1;
      if (followers === 0) source?.close();
    };
  }

  /** After a failure. */
  function retry() {
    source?.close();
    connect();
    return read();
  }

  return { buckets, failure, follow, read, retry };
});
