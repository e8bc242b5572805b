// minio-js: parts, copies, tags, listings. Settings come from the AWS_* environment.
import assert from "node:assert";
import { Client, CopyDestinationOptions, CopySourceOptions } from "minio";

const url = new URL(process.env.AWS_ENDPOINT_URL);
const client = new Client({
  endPoint: url.hostname,
  port: Number(url.port),
  useSSL: false,
  accessKey: process.env.AWS_ACCESS_KEY_ID,
  secretKey: process.env.AWS_SECRET_ACCESS_KEY,
  partSize: 5 << 20,
});
const bucket = "minio-js";

async function read(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

await client.makeBucket(bucket, "us-east-1");
const large = Buffer.alloc(12 << 20, "large");
await client.putObject(bucket, "large", large, large.length, { "x-amz-meta-colour": "green" });
assert.deepEqual(await read(await client.getObject(bucket, "large")), large);
assert.equal((await client.statObject(bucket, "large")).metaData.colour, "green");
assert.deepEqual(await read(await client.getPartialObject(bucket, "large", 5, 5)), Buffer.from("large"));

await client.copyObject(
  new CopySourceOptions({ Bucket: bucket, Object: "large" }),
  new CopyDestinationOptions({ Bucket: bucket, Object: "copied" }),
);
await client.setObjectTagging(bucket, "copied", { kind: "test" });
assert.deepEqual(await client.getObjectTagging(bucket, "copied"), [{ Key: "kind", Value: "test" }]);

const unfinished = await client.initiateNewMultipartUpload(bucket, "unfinished", {});
assert.equal(await client.findUploadId(bucket, "unfinished"), unfinished);
await client.removeIncompleteUpload(bucket, "unfinished");

const names = [];
for await (const { name } of client.listObjectsV2(bucket, "", true)) names.push(name);
assert.deepEqual(names, ["copied", "large"]);
await client.removeObjects(bucket, names);
await client.removeBucket(bucket);
