// What a key opens.
import type { Schemas } from "@/server/client";

/** The bucket that a key opens; none: its whole namespace. */
export function scopeOf(key: Schemas["KeyView"]): string | undefined {
  const scope: unknown = key.scope;
  if (typeof scope === "object" && scope !== null && "bucket" in scope) return String(scope.bucket);
  return undefined;
}
