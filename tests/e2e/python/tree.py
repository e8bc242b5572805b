"""Moves a tree of files up and down with boto3. Settings come from the AWS_* environment.

usage: tree.py BUCKET UP DOWN
"""

import os
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

bucket, up, down = sys.argv[1:]
s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["AWS_ENDPOINT_URL"],
    config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
)
transfer = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=5 << 20)
print("boto3", boto3.__version__)

stored = []
for folder, _, names in os.walk(up):
    for name in names:
        path = os.path.join(folder, name)
        key = "boto3/" + os.path.relpath(path, up)
        s3.upload_file(path, bucket, key, Config=transfer, ExtraArgs={"Metadata": {"seen": "yes"}})
        stored.append(key)

listed = [
    entry["Key"]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="boto3/")
    for entry in page.get("Contents", [])
]
assert listed == sorted(stored, key=lambda key: key.encode()), "the listing differs"

for key in listed:
    path = os.path.join(down, os.path.relpath(key, "boto3"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    s3.download_file(bucket, key, path, Config=transfer)
assert s3.head_object(Bucket=bucket, Key=listed[0])["Metadata"] == {"seen": "yes"}

for start in range(0, len(listed), 1000):
    keys = [{"Key": key} for key in listed[start : start + 1000]]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})
    assert not answer.get("Errors") and len(answer["Deleted"]) == len(keys), answer
assert "Contents" not in s3.list_objects_v2(Bucket=bucket, Prefix="boto3/")
