// What a page shows of the rack, read again as long as it is open.
import { onMounted, onUnmounted } from "vue";
import { useCall } from "@/look/call";

const LOOK_MS = 5_000;

/** Reads at once and every few seconds; keeps why it failed the last time. */
export function useWatch(read: () => Promise<void>) {
  const { failure, run } = useCall();
  const look = () => run(read);
  onMounted(look);
  const timer = setInterval(look, LOOK_MS);
  onUnmounted(() => clearInterval(timer));
  return { failure, look };
}
