// Public reading, as a bucket policy.

const ACTION = "s3:GetObject";

interface Statement {
  Effect?: unknown;
  Principal?: unknown;
  Action?: unknown;
  Resource?: unknown;
}

/** What a bucket's policy says about strangers: nothing, that they may read, or more than the console knows. */
export type Publicity = "private" | "public" | "other";

/** The policy that lets everybody read every object. */
export function publicPolicy(bucket: string): string {
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      { Effect: "Allow", Principal: "*", Action: ACTION, Resource: `arn:aws:s3:::${bucket}/*` },
    ],
  });
}

/** What a policy says; no text: there is none. */
export function publicityOf(policy: string | undefined, bucket: string): Publicity {
  if (policy === undefined) return "private";
  const document = JSON.parse(policy) as { Statement?: Statement | Statement[] };
  const statements = [document.Statement ?? []].flat();
  const [only] = statements;
  if (statements.length !== 1 || !only) return "other";
  const is = (value: unknown, wanted: string) => {
    const values = [value].flat();
    return values.length > 0 && values.every((it) => it === wanted);
  };
  const everybody = is(only.Principal, "*") || is((only.Principal as { AWS?: unknown })?.AWS, "*");
  const plain =
    Object.keys(only).every((it) => ["Sid", "Effect", "Principal", "Action", "Resource"].includes(it)) &&
    only.Effect === "Allow" &&
    is(only.Action, ACTION) &&
    is(only.Resource, `arn:aws:s3:::${bucket}/*`);
  return plain && everybody ? "public" : "other";
}
