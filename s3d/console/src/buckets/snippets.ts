// What a person pastes to use a bucket, in the language or the program of their choice.

/** What is needed to use a bucket. */
export interface Connection {
  bucket: string;
  endpoint: string;
  accessKeyId: string;
  secretAccessKey: string;
}

/** A snippet, and what it is for. */
export interface Snippet {
  name: string;
  text: string;
}

const REGION = "us-east-1";

/**
 * The endpoint that programs can use. Browsers and curl know by themselves where names below `localhost` are,
 * and other programs do not: there the address of this machine stands for all of them, in path style.
 */
export function endpointForPrograms(endpoint: string): string {
  const url = new URL(endpoint);
  if (url.hostname === "localhost" || url.hostname.endsWith(".localhost")) url.hostname = "127.0.0.1";
  return url.origin;
}

/** Every snippet, for one bucket and one key. */
export function snippetsOf(connection: Connection): Snippet[] {
  const endpoint = endpointForPrograms(connection.endpoint);
  const it = { ...connection, endpoint };
  return [
    { name: "JavaScript", text: javascript(it) },
    { name: "Python", text: python(it) },
    { name: "aws-cli", text: awsCli(it) },
    { name: "rclone", text: rclone(it) },
    { name: "curl", text: curl(it) },
    { name: "fused mount", text: mount(it) },
  ];
}

const environment = (it: Connection) => `export AWS_ACCESS_KEY_ID=${it.accessKeyId}
export AWS_SECRET_ACCESS_KEY='${it.secretAccessKey}'
export AWS_REGION=${REGION} AWS_DEFAULT_REGION=${REGION}`;

const javascript = (it: Connection) => `// npm install @aws-sdk/client-s3
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const s3 = new S3Client({
  endpoint: "${it.endpoint}",
  forcePathStyle: true,
  region: "${REGION}",
  credentials: { accessKeyId: "${it.accessKeyId}", secretAccessKey: "${it.secretAccessKey}" },
});
await s3.send(new PutObjectCommand({ Bucket: "${it.bucket}", Key: "hello.txt", Body: "hello" }));`;

const python = (it: Connection) => `# pip install boto3
import boto3
from botocore.config import Config

s3 = boto3.client(
    "s3",
    endpoint_url="${it.endpoint}",
    config=Config(s3={"addressing_style": "path"}),
    region_name="${REGION}",
    aws_access_key_id="${it.accessKeyId}",
    aws_secret_access_key="${it.secretAccessKey}",
)
s3.put_object(Bucket="${it.bucket}", Key="hello.txt", Body=b"hello")`;

const awsCli = (it: Connection) => `${environment(it)}
echo hello | aws --endpoint-url ${it.endpoint} s3 cp - s3://${it.bucket}/hello.txt
aws --endpoint-url ${it.endpoint} s3 ls s3://${it.bucket}`;

const rclone = (it: Connection) => `export RCLONE_CONFIG_HAYRACK_TYPE=s3 RCLONE_CONFIG_HAYRACK_PROVIDER=Other
export RCLONE_CONFIG_HAYRACK_ENDPOINT=${it.endpoint}
export RCLONE_CONFIG_HAYRACK_ACCESS_KEY_ID=${it.accessKeyId}
export RCLONE_CONFIG_HAYRACK_SECRET_ACCESS_KEY='${it.secretAccessKey}'
echo hello | rclone --s3-no-check-bucket rcat hayrack:${it.bucket}/hello.txt
rclone ls hayrack:${it.bucket}`;

const curl = (it: Connection) => `echo hello > hello.txt
curl --fail --aws-sigv4 "aws:amz:${REGION}:s3" --user '${it.accessKeyId}:${it.secretAccessKey}' \\
  --header "x-amz-content-sha256: UNSIGNED-PAYLOAD" --upload-file hello.txt \\
  ${it.endpoint}/${it.bucket}/hello.txt`;

const mount = (it: Connection) => `${environment(it)}
mkdir -p ~/${it.bucket}
fused mount --endpoint ${it.endpoint} s3://${it.bucket} ~/${it.bucket}`;
