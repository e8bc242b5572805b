// What a namespace may have.

/** The default, of buckets and of keys. */
export const LIMIT = 1_000;

/** The limit that somebody typed: nothing stands for the default; `undefined` if it is no number from 0 on. */
export function limitOf(text: string): number | null | undefined {
  if (text.trim() === "") return null;
  const number = Number(text);
  return Number.isInteger(number) && number >= 0 && number < 2 ** 32 ? number : undefined;
}
