// What the names of objects and folders are made of.

/** The last part of a name: `c.txt` of `a/b/c.txt`, `b/` of `a/b/`. */
export function lastPart(name: string): string {
  return /[^/]*\/?$/.exec(name)?.[0] || name;
}

/** The folder that an object is in: `a/b/` of `a/b/c.txt`, nothing of `c.txt`. */
export const folderOf = (key: string) => key.slice(0, key.lastIndexOf("/") + 1);

/** The folders on the way to a prefix, each with its whole prefix: of `a/b/` they are `a/` and `a/b/`. */
export function pathTo(prefix: string): { part: string; prefix: string }[] {
  const parts = prefix.split("/").slice(0, -1);
  return parts.map((part, index) => ({
    part,
    prefix: `${parts.slice(0, index + 1).join("/")}/`,
  }));
}
