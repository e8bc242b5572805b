"""Calls what applications call through boto3, and checks each answer. Settings come from the environment."""

import io
import json
import os
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

MIB = 1 << 20
BUCKET = "boto-operations"
s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["AWS_ENDPOINT_URL"],
    config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, signature_version="s3v4"),
)


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return
    raise AssertionError(f"{code} was expected")


def body(key, **arguments):
    return s3.get_object(Bucket=BUCKET, Key=key, **arguments)["Body"].read()


def objects():
    put = s3.put_object(
        Bucket=BUCKET, Key="a", Body=b"0123456789", ContentType="text/x", CacheControl="no-cache",
        Metadata={"colour": "green"}, Tagging="kind=test",
    )
    head = s3.head_object(Bucket=BUCKET, Key="a")
    assert (head["ContentType"], head["CacheControl"], head["Metadata"]) == ("text/x", "no-cache", {"colour": "green"})
    assert body("a", Range="bytes=-3") == b"789"
    assert body("a", IfMatch=put["ETag"]) == b"0123456789"
    refused("304", s3.get_object, Bucket=BUCKET, Key="a", IfNoneMatch=put["ETag"])
    refused("PreconditionFailed", s3.get_object, Bucket=BUCKET, Key="a", IfMatch='"0"')
    shown = s3.get_object(Bucket=BUCKET, Key="a", ResponseContentType="text/y", ResponseContentDisposition="inline")
    assert (shown["ContentType"], shown["ContentDisposition"]) == ("text/y", "inline")
    refused("NoSuchKey", s3.get_object, Bucket=BUCKET, Key="absent")
    attributes = s3.get_object_attributes(Bucket=BUCKET, Key="a", ObjectAttributes=["ETag", "ObjectSize"])
    assert attributes["ObjectSize"] == 10 and attributes["ETag"] == put["ETag"].strip('"')


def copies():
    s3.copy_object(Bucket=BUCKET, Key="b c", CopySource={"Bucket": BUCKET, "Key": "a"})
    assert s3.head_object(Bucket=BUCKET, Key="b c")["Metadata"] == {"colour": "green"}
    assert s3.get_object_tagging(Bucket=BUCKET, Key="b c")["TagSet"] == [{"Key": "kind", "Value": "test"}]
    s3.copy_object(
        Bucket=BUCKET, Key="b c", CopySource={"Bucket": BUCKET, "Key": "b c"},
        MetadataDirective="REPLACE", Metadata={"colour": "red"}, TaggingDirective="REPLACE", Tagging="kind=other",
    )
    assert s3.head_object(Bucket=BUCKET, Key="b c")["Metadata"] == {"colour": "red"}
    assert body("b c") == b"0123456789"
    refused("InvalidRequest", s3.copy_object, Bucket=BUCKET, Key="a", CopySource={"Bucket": BUCKET, "Key": "a"})
    refused(
        "PreconditionFailed", s3.copy_object, Bucket=BUCKET, Key="d",
        CopySource={"Bucket": BUCKET, "Key": "a"}, CopySourceIfMatch='"0"',
    )


def multipart():
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="m", Metadata={"parts": "3"})
    target = {"Bucket": BUCKET, "Key": "m", "UploadId": upload["UploadId"]}
    assert s3.list_multipart_uploads(Bucket=BUCKET)["Uploads"][0]["UploadId"] == upload["UploadId"]
    first = s3.upload_part(**target, PartNumber=1, Body=b"1" * 5 * MIB)
    s3.upload_part(**target, PartNumber=2, Body=b"?" * 5 * MIB)
    second = s3.upload_part(**target, PartNumber=2, Body=b"2" * 5 * MIB)
    source = {"Bucket": BUCKET, "Key": "a"}
    third = s3.upload_part_copy(**target, PartNumber=3, CopySource=source, CopySourceRange="bytes=2-5")
    etags = [first["ETag"], second["ETag"], third["CopyPartResult"]["ETag"]]
    listed = s3.list_parts(**target)["Parts"]
    assert [part["ETag"] for part in listed] == etags and listed[2]["Size"] == 4
    parts = [{"PartNumber": index + 1, "ETag": etag} for index, etag in enumerate(etags)]
    s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts})
    assert body("m") == b"1" * 5 * MIB + b"2" * 5 * MIB + b"2345"
    part = s3.get_object(Bucket=BUCKET, Key="m", PartNumber=3)
    assert (part["Body"].read(), part["PartsCount"]) == (b"2345", 3)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="n")["UploadId"]
    s3.abort_multipart_upload(Bucket=BUCKET, Key="n", UploadId=upload)
    refused("NoSuchUpload", s3.list_parts, Bucket=BUCKET, Key="n", UploadId=upload)


def settings():
    tags = [{"Key": "team", "Value": "hay"}]
    refused("NoSuchTagSet", s3.get_bucket_tagging, Bucket=BUCKET)
    s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=BUCKET)
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["http://*.example.org"]}
    s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [rule]})
    assert s3.get_bucket_cors(Bucket=BUCKET)["CORSRules"] == [rule]
    s3.delete_bucket_cors(Bucket=BUCKET)
    refused("NoSuchCORSConfiguration", s3.get_bucket_cors, Bucket=BUCKET)
    assert "Status" not in s3.get_bucket_versioning(Bucket=BUCKET)
    assert [version["VersionId"] for version in s3.list_object_versions(Bucket=BUCKET, Prefix="a")["Versions"]] == ["null"]


def hidden(url):
    try:
        urllib.request.urlopen(url)
    except urllib.error.HTTPError as error:
        assert error.code == 403
        return
    raise AssertionError("a private object was read by nobody")


def policies():
    url = f"{os.environ['AWS_ENDPOINT_URL']}/{BUCKET}/a"
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{BUCKET}/a",
        "Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}},
    }
    hidden(url)
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert urllib.request.urlopen(url).read() == b"0123456789"
    assert not s3.get_bucket_policy_status(Bucket=BUCKET)["PolicyStatus"]["IsPublic"]
    statement["Condition"] = {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    hidden(url)
    statement["Action"] = "s3:GetObjekt"
    refused("MalformedPolicy", s3.put_bucket_policy, Bucket=BUCKET, Policy=json.dumps({"Statement": statement}))
    s3.delete_bucket_policy(Bucket=BUCKET)
    refused("NoSuchBucketPolicy", s3.get_bucket_policy, Bucket=BUCKET)


def public():
    url = f"{os.environ['AWS_ENDPOINT_URL']}/{BUCKET}/a"
    hidden(url)
    s3.put_object_acl(Bucket=BUCKET, Key="a", ACL="public-read")
    assert urllib.request.urlopen(url).read() == b"0123456789"
    presigned = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "m"}, ExpiresIn=60)
    assert len(urllib.request.urlopen(presigned).read()) == 10 * MIB + 4
    form = s3.generate_presigned_post(BUCKET, "posted/${filename}", Conditions=[["content-length-range", 1, 10]])
    answer = urllib.request.urlopen(multipart_form(form["url"], form["fields"], "name.txt", b"posted"))
    assert answer.status == 204 and body("posted/name.txt") == b"posted"


def multipart_form(url, fields, filename, content):
    parts = [f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    parts.append(f'--x\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n')
    data = "".join(parts).encode() + content + b"\r\n--x--\r\n"
    return urllib.request.Request(url, data, {"content-type": "multipart/form-data; boundary=x"})


def deletes():
    s3.upload_fileobj(io.BytesIO(b"x" * 9 * MIB), BUCKET, "z")
    keys = [{"Key": entry["Key"]} for entry in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    deleted = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [*keys, {"Key": "absent"}]})
    assert len(deleted["Deleted"]) == len(keys) + 1 and "Errors" not in deleted
    s3.delete_bucket(Bucket=BUCKET)
    refused("NoSuchBucket", s3.list_objects_v2, Bucket=BUCKET)


print("boto3", boto3.__version__)
s3.create_bucket(Bucket=BUCKET)
for step in (objects, copies, multipart, settings, policies, public, deletes):
    step()
