// A bucket's settings that S3 keeps: read and written as any S3 client does it.
import { failureOf } from "@/server/failure";
import { documentOf, send } from "@/server/s3";
import { corsDocument, rulesOf, type CorsRule } from "./cors";
import { publicityOf, publicPolicy, type Publicity } from "./policy";

/** The answer of a setting, or nothing if it is not set. */
async function read(bucket: string, name: string, unset: string): Promise<Response | undefined> {
  try {
    return await send(bucket, { method: "GET", query: { [name]: "" } });
  } catch (thrown) {
    const failure = failureOf(thrown);
    if (failure.code === unset) return undefined;
    throw failure;
  }
}

export async function readPublicity(bucket: string): Promise<Publicity> {
  const answer = await read(bucket, "policy", "NoSuchBucketPolicy");
  return publicityOf(await answer?.text(), bucket);
}

export async function setPublic(bucket: string, open: boolean): Promise<void> {
  const query = { policy: "" };
  if (open) await send(bucket, { method: "PUT", query }, { body: publicPolicy(bucket) });
  else await send(bucket, { method: "DELETE", query });
}

export async function readCors(bucket: string): Promise<CorsRule[]> {
  const answer = await read(bucket, "cors", "NoSuchCORSConfiguration");
  return answer ? rulesOf(await documentOf(answer)) : [];
}

/** Sets the one rule; one without origins is no rule. */
export async function setCors(bucket: string, rule: CorsRule): Promise<void> {
  const query = { cors: "" };
  if (rule.origins.length > 0) await send(bucket, { method: "PUT", query }, { body: corsDocument(rule) });
  else await send(bucket, { method: "DELETE", query });
}
