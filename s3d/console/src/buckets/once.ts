// The secret of a key that was just made. It is in memory until the person leaves the page, and nowhere else.
import { defineStore } from "pinia";
import { ref } from "vue";

export interface NewKey {
  accessKeyId: string;
  secretAccessKey: string;
  /** The bucket that it opens; none: the whole namespace. */
  bucket?: string | undefined;
}

export const useOnce = defineStore("once", () => {
  const key = ref<NewKey>();
  return { key };
});
