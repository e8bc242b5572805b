// What a page knows of the call that it has under way.
import { ref } from "vue";
import { failureOf, type Failure } from "@/server/failure";

/** Runs calls one at a time, and keeps why the last one failed. */
export function useCall() {
  const busy = ref(false);
  const failure = ref<Failure>();

  /** Whether `work` was done; what is under way already is not begun again. */
  async function run(work: () => Promise<void>): Promise<boolean> {
    if (busy.value) return false;
    busy.value = true;
    failure.value = undefined;
    try {
      await work();
      return true;
    } catch (thrown) {
      failure.value = failureOf(thrown);
      return false;
    } finally {
      busy.value = false;
    }
  }

  return { busy, failure, run };
}

/** Runs `work`; who asks while it runs has it run once more behind it, so that nobody sees what is out of date. */
export function useRefresh(work: () => Promise<void>) {
  const call = useCall();
  let asked = 0;

  async function refresh(): Promise<void> {
    asked += 1;
    if (call.busy.value) return;
    let seen: number;
    do {
      seen = asked;
      await call.run(work);
    } while (seen !== asked);
  }

  return { busy: call.busy, failure: call.failure, refresh };
}
