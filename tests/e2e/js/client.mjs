// The newest AWS SDK, as the environment sets it: ENDPOINT, REGION, ACCESS_KEY, SECRET_KEY; ADDRESS is where all hosts are
// (127.0.0.1); with VIRTUAL_HOST the bucket is in the host's name, else in the path.
import http from "node:http";
import https from "node:https";
import { S3Client } from "@aws-sdk/client-s3";
import { NodeHttpHandler } from "@smithy/node-http-handler";

const { ENDPOINT, REGION, ADDRESS = "127.0.0.1", ACCESS_KEY, SECRET_KEY, VIRTUAL_HOST } = process.env;

// *.localhost resolves on few systems, names of tests on none.
const lookup = (_host, options, done) =>
  options.all ? done(null, [{ address: ADDRESS, family: 4 }]) : done(null, ADDRESS, 4);

export const client = (settings) =>
  new S3Client({
    region: REGION,
    endpoint: ENDPOINT,
    forcePathStyle: VIRTUAL_HOST === undefined,
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
    requestHandler: new NodeHttpHandler({
      httpAgent: new http.Agent({ lookup }),
      httpsAgent: new https.Agent({ lookup, keepAlive: true }),
    }),
    ...settings,
  });
