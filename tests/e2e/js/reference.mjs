// The reference client: the newest AWS SDK, the per-bucket endpoint, path style.
// Settings come from the environment: BUCKET, and those of client.mjs.
import { PutObjectCommand, GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { client } from "./client.mjs";

const { BUCKET } = process.env;
const s3 = client({ maxAttempts: 1 });

await s3.send(
  new PutObjectCommand({
    Bucket: BUCKET,
    Key: "public.txt",
    Body: "for everyone",
    ACL: "public-read",
    ContentType: "text/plain",
  }),
);
await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: "private.txt", Body: "for me" }));

const listed = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET }));
for (const { Key } of listed.Contents) console.log(Key);

const got = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: "public.txt" }));
if (got.ContentType !== "text/plain") throw new Error(`content type ${got.ContentType}`);
if ((await got.Body.transformToString()) !== "for everyone") throw new Error("other bytes came back");
