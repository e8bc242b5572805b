"""Puts objects through boto3 until its standard input ends, then reads them all; prints how many there are.

boto3 repeats what fails by itself: any error that it reports is one that an application would see.
"""

import hashlib
import os
import sys
import threading

import boto3
from botocore.config import Config

name, bucket = sys.argv[1:]
s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["AWS_ENDPOINT_URL"],
    region_name="us-east-1",
    config=Config(
        s3={"addressing_style": "path"},
        retries={"mode": "standard", "max_attempts": 12},
        connect_timeout=5,
        read_timeout=20,
    ),
)


def body(number):
    return hashlib.sha256(f"{name} {number}".encode()).digest() * (30_000 if number % 5 == 0 else 40)


ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
count = 0
while not ended.is_set():
    s3.put_object(Bucket=bucket, Key=f"{name}/{count}", Body=body(count))
    count += 1
for number in range(count):
    read = s3.get_object(Bucket=bucket, Key=f"{name}/{number}")["Body"].read()
    assert read == body(number), f"{name}/{number} has other bytes"
print(count)
