"""Works on a bucket through s3fs. Settings come from the environment."""

import os

import s3fs

MIB = 1 << 20
fs = s3fs.S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"], use_listings_cache=False)
fs.mkdir("s3fs-bucket")
fs.pipe("s3fs-bucket/a/small", b"hello")
with fs.open("s3fs-bucket/a/large", "wb", block_size=5 * MIB) as file:
    for index in range(12):
        file.write(bytes([index]) * MIB)
assert sorted(fs.ls("s3fs-bucket/a")) == ["s3fs-bucket/a/large", "s3fs-bucket/a/small"]
assert fs.du("s3fs-bucket") == 12 * MIB + 5
with fs.open("s3fs-bucket/a/large", "rb") as file:
    file.seek(5 * MIB - 2)
    assert file.read(4) == bytes([4, 4, 5, 5])

fs.setxattr("s3fs-bucket/a/small", colour="green")
assert fs.getxattr("s3fs-bucket/a/small", "colour") == "green"
fs.put_tags("s3fs-bucket/a/small", {"kind": "test"})
assert fs.get_tags("s3fs-bucket/a/small") == {"kind": "test"}
fs.chmod("s3fs-bucket/a/small", "public-read")

fs.cp("s3fs-bucket/a/large", "s3fs-bucket/b/large")
fs.mv("s3fs-bucket/a/small", "s3fs-bucket/b/small")
fs.merge("s3fs-bucket/merged", ["s3fs-bucket/a/large", "s3fs-bucket/b/large"])
assert fs.info("s3fs-bucket/merged")["size"] == 24 * MIB
with fs.open("s3fs-bucket/b/small", "ab") as file:
    file.write(b", world")
assert fs.cat("s3fs-bucket/b/small") == b"hello, world"
try:
    with fs.open("s3fs-bucket/b/small", "xb") as file:
        file.write(b"never")
    raise SystemExit("an exclusive write replaced an object")
except FileExistsError:
    pass
fs.rm("s3fs-bucket", recursive=True)
assert not fs.exists("s3fs-bucket")
