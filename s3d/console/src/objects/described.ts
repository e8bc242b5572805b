// All that S3 knows of one object, and changing it.
import { Failure } from "@/server/failure";
import { documentOf, send, textOf } from "@/server/s3";
import { copyRequest } from "./steps";

export type Pairs = [name: string, value: string][];

export interface Described {
  key: string;
  etag: string;
  bytes: number;
  /** ISO 8601. */
  modified: string;
  /** The headers that come with it, such as its media type; names in lower case. */
  headers: Pairs;
  /** What users of S3 noted with it, without `x-amz-meta-`. */
  metadata: Pairs;
  tags: Pairs;
  /** Whether S3 could show all headers and metadata in a listing. */
  whole: boolean;
}

const USER = "x-amz-meta-";

/** Asks for an object, by the listing that describes what it lists: one request says it all. */
export async function describe(bucket: string, key: string): Promise<Described> {
  const query = { "list-type": "2", metadata: "true", prefix: key, "max-keys": "1" };
  const headers = { Accept: "application/jsonl" };
  const answer = await send(bucket, { method: "GET", query }, { headers });
  const found = JSON.parse((await answer.text()).split("\n", 1)[0] ?? "{}");
  if (found.key !== key) throw new Failure("NoSuchKey", "There is no such object.", {}, 404);
  const all = Object.entries<string>(found.headers ?? {});
  return {
    key,
    etag: found.etag,
    bytes: found.size,
    modified: new Date(found.modified).toISOString(),
    headers: all.filter(([name]) => !name.startsWith(USER)),
    metadata: all.filter(([name]) => name.startsWith(USER)).map(([name, value]) => [name.slice(USER.length), value]),
    tags: [...new URLSearchParams(found.tags ?? "")],
    whole: found.headers !== undefined,
  };
}

/** The media type of an object. */
export const typeOf = (object: Described) => object.headers.find(([name]) => name === "content-type")?.[1] ?? "";

/** Replaces an object's media type and metadata: a copy onto itself, which S3 makes without its bytes. */
export async function setMetadata(bucket: string, object: Described, type: string, metadata: Pairs): Promise<void> {
  const fits = ([name, value]: Pairs[number]) => /^[\w.-]+$/.test(name) && /^[\t -~]*$/.test(value);
  if (!metadata.every(fits)) throw new Failure("MetadataUnfit", "These are no headers.");
  const acl = await readAcl(bucket, object.key);
  const query: Record<string, string> = {
    "x-amz-metadata-directive": "REPLACE",
    // What somebody else stored meanwhile is not overwritten.
    "x-amz-copy-source-if-match": object.etag,
  };
  for (const [name, value] of metadata) query[USER + name] = value;
  const others = object.headers.filter(([name]) => name !== "content-type");
  const headers = Object.fromEntries(type ? [...others, ["content-type", type]] : others);
  await send(bucket, copyRequest(bucket, object.key, object.key, query), { headers });
  // A copy takes no ACL along.
  if (acl.kind !== "private") await send(bucket, aclRequest(object.key), { body: acl.document });
}

/** Replaces an object's tags. */
export async function setTags(bucket: string, key: string, tags: Pairs): Promise<void> {
  const text = (name: string, value: string) => {
    const element = document.implementation.createDocument(null, name).documentElement;
    element.textContent = value;
    return new XMLSerializer().serializeToString(element);
  };
  const all = tags.map(([name, value]) => `<Tag>${text("Key", name)}${text("Value", value)}</Tag>`);
  const body = `<Tagging><TagSet>${all.join("")}</TagSet></Tagging>`;
  await send(bucket, { method: "PUT", key, query: { tagging: "" } }, { body });
}

/** Who may read an object beside its owner; `other`: its grants are of no usual kind. */
export const ACLS = ["private", "public-read", "authenticated-read"] as const;
export interface Acl {
  kind: (typeof ACLS)[number] | "other";
  document: string;
}

const GROUPS = "http://acs.amazonaws.com/groups/global/";

export async function readAcl(bucket: string, key: string): Promise<Acl> {
  const answer = await documentOf(await send(bucket, { method: "GET", key, query: { acl: "" } }));
  const owner = textOf(answer.getElementsByTagName("Owner")[0] ?? answer, "ID");
  const grants = [...answer.getElementsByTagName("Grant")].map((grant) => {
    const to = textOf(grant, "URI").replace(GROUPS, "") || (textOf(grant, "ID") === owner ? "owner" : "other");
    return `${to} ${textOf(grant, "Permission")}`;
  });
  const others = grants.filter((it) => it !== "owner FULL_CONTROL").join();
  const usual = { "": "private", "AllUsers READ": "public-read", "AuthenticatedUsers READ": "authenticated-read" };
  const kind = (usual as Record<string, Acl["kind"]>)[others] ?? "other";
  return { kind, document: new XMLSerializer().serializeToString(answer) };
}

export async function setAcl(bucket: string, key: string, kind: (typeof ACLS)[number]): Promise<void> {
  await send(bucket, aclRequest(key, { "x-amz-acl": kind }));
}

const aclRequest = (key: string, query: Record<string, string> = {}) =>
  ({ method: "PUT", key, query: { acl: "", ...query } }) as const;
