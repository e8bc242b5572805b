// The reference client: the newest AWS SDK, the per-bucket endpoint, path style.
// Settings come from the environment: ENDPOINT, REGION, BUCKET, ACCESS_KEY, SECRET_KEY.
import http from "node:http";
import { S3Client, PutObjectCommand, GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { NodeHttpHandler } from "@smithy/node-http-handler";

const { ENDPOINT, REGION, BUCKET, ACCESS_KEY, SECRET_KEY } = process.env;

// *.localhost resolves on few systems.
const lookup = (_host, options, done) =>
  options.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4);

const s3 = new S3Client({
  region: REGION,
  endpoint: ENDPOINT,
  forcePathStyle: true,
  credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
  maxAttempts: 1,
  requestHandler: new NodeHttpHandler({ httpAgent: new http.Agent({ lookup }) }),
});

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
