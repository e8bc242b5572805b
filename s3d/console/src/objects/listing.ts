// What lies in a folder of a bucket. Folders are what keys have in common up to a `/`.
import { documentOf, send, textOf } from "@/server/s3";

/** An object, or a folder: the keys that begin with its name, which ends with `/`. */
export interface Entry {
  /** The whole key or prefix. */
  name: string;
  folder: boolean;
  bytes: number;
  /** ISO 8601; nothing for a folder. */
  modified: string;
}

export interface Page {
  entries: Entry[];
  /** What to ask for the next page with; none: this is the last. */
  next: string | undefined;
}

/** Asks for a page of what begins with `prefix`: up to the next `/`, or with `deep` every key. */
export async function listPage(
  bucket: string,
  prefix: string,
  after?: string,
  deep = false,
): Promise<Page> {
  const query: Record<string, string> = { "list-type": "2", prefix, "encoding-type": "url" };
  if (!deep) query.delimiter = "/";
  if (after) query["continuation-token"] = after;
  return pageOf(await documentOf(await send(bucket, { method: "GET", query })));
}

function pageOf(document: Document): Page {
  const name = (element: Element, tag: string) => decodeURIComponent(textOf(element, tag));
  const folders = [...document.getElementsByTagName("CommonPrefixes")].map((it) => ({
    name: name(it, "Prefix"),
    folder: true,
    bytes: 0,
    modified: "",
  }));
  const objects = [...document.getElementsByTagName("Contents")].map((it) => ({
    name: name(it, "Key"),
    folder: false,
    bytes: Number(textOf(it, "Size")),
    modified: textOf(it, "LastModified"),
  }));
  return {
    entries: [...folders, ...objects],
    next: textOf(document, "NextContinuationToken") || undefined,
  };
}
