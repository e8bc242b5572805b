// Puts objects until its standard input ends, then reads all of them. Prints the key of each that is acknowledged, and in
// the end how many were read. The SDK repeats what fails by itself, as often as it usually does: any error that this ends
// with is one that an application would see. Settings come from the environment: BUCKET, and those of client.mjs.
import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { PutObjectCommand, GetObjectCommand } from "@aws-sdk/client-s3";
import { client } from "./client.mjs";

const { BUCKET } = process.env;
const WRITERS = 3;
// So that what they put can be read again in a moment.
const PAUSE_MS = 50;

const s3 = client({});
const body = (key) => {
  const digest = createHash("sha256").update(key).digest();
  return Buffer.concat(Array(key.endsWith("5") ? 10_000 : 40).fill(digest));
};

let ended = false;
process.stdin.on("end", () => (ended = true)).resume();

const acknowledged = [];
const write = async (writer) => {
  for (let number = 0; !ended; number++) {
    const key = `steady/${process.pid}-${writer}/${number}`;
    const begun = Date.now();
    try {
      await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: key, Body: body(key) }));
    } catch (error) {
      const { attempts, totalRetryDelay, httpStatusCode } = error.$metadata ?? {};
      console.error(`PUT ${key} after ${Date.now() - begun} ms:`, { attempts, totalRetryDelay, httpStatusCode });
      throw error;
    }
    acknowledged.push(key);
    console.log(key);
    await pause(PAUSE_MS);
  }
};
await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));

for (const key of acknowledged) {
  const got = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: key }));
  const bytes = Buffer.from(await got.Body.transformToByteArray());
  if (!bytes.equals(body(key))) throw new Error(`${key} has other bytes`);
}
console.log(`${acknowledged.length} objects are there`);
