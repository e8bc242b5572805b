// What a folder holds, and a page of it as the server writes one.

/** An object, or a folder: the keys that begin with its name, which ends with `/`. */
export interface Entry {
  /** The whole key or prefix. */
  name: string;
  folder: boolean;
  bytes: number;
  /** Milliseconds since 1970; 0 for a folder. */
  modified: number;
}

export interface Page {
  entries: Entry[];
  /** What to ask for the next page with; none: this is the last. */
  next: string | undefined;
}

/** A line of an answer: an object, a folder, or at the end what asks for the next page. */
type Line =
  | { key: string; size: number; modified: number }
  | { prefix: string }
  | { next: string | null };

/** The folders of a page, then its objects. */
export function pageOf(lines: string): Page {
  const [folders, objects]: [Entry[], Entry[]] = [[], []];
  let next: string | undefined;
  for (const text of lines.split("\n").filter(Boolean)) {
    const line = JSON.parse(text) as Line;
    if ("key" in line) objects.push({ name: line.key, folder: false, bytes: line.size, modified: line.modified });
    else if ("prefix" in line) folders.push({ name: line.prefix, folder: true, bytes: 0, modified: 0 });
    else next = line.next ?? undefined;
  }
  return { entries: [...folders, ...objects], next };
}
