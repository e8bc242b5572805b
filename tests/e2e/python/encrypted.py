"""Uses a bucket over TLS: AWS_CA_BUNDLE is trusted and nothing else."""

import json
import os
import urllib.error
import urllib.request
import ssl

import boto3
from boto3.s3.transfer import TransferConfig

BUCKET = "encrypted"
LARGE = os.urandom(12 << 20)

s3 = boto3.client("s3")
s3.put_object(Bucket=BUCKET, Key="small", Body=b"hello")
assert s3.get_object(Bucket=BUCKET, Key="small")["Body"].read() == b"hello"
with open("large", "wb") as file:
    file.write(LARGE)
parts = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
s3.upload_file("large", BUCKET, "large", Config=parts)
assert s3.get_object(Bucket=BUCKET, Key="large")["Body"].read() == LARGE


def status_of_a_stranger(condition):
    """What somebody without a key is answered where this condition opens the bucket."""
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/*",
        "Condition": condition,
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
    trusted = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    url = f"{os.environ['AWS_ENDPOINT_URL']}/{BUCKET}/small"
    try:
        with urllib.request.urlopen(url, context=trusted) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


assert status_of_a_stranger({"Bool": {"aws:SecureTransport": "true"}}) == 200
assert status_of_a_stranger({"Bool": {"aws:SecureTransport": "false"}}) == 403
assert status_of_a_stranger({"NumericGreaterThan": {"s3:TlsVersion": "1.1"}}) == 200
assert status_of_a_stranger({"NumericLessThan": {"s3:TlsVersion": "1.2"}}) == 403
