"""A client of the rack: signs up at the REST API, stores and reads an object by an SDK, all over TLS."""

import json
import ssl
import urllib.error
import urllib.request
import warnings

import boto3
from botocore.config import Config

# The certificate is the node's own, for names that this machine does not resolve.
warnings.filterwarnings("ignore", "Unverified HTTPS request")
UNVERIFIED = ssl._create_unverified_context()


class Client:
    """Of the S3 server of one node. Its credentials are kept in the file `path`."""

    def __init__(self, node, path):
        self.node, self.path = node, path

    def sign_up(self):
        """Signs up as anybody would, and makes a bucket."""
        user = {"email": "a@example.org", "password": "correct horse battery staple"}
        answer = self.call("auth/sign-up", user)
        token = answer.get("accessToken") or self.call("auth/login", user)["accessToken"]
        with open(self.path, "w") as file:
            json.dump(self.call("buckets", {"name": "first"}, token), file)

    def call(self, path, body, token=None):
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.node.port(9001)}/api/v1/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {}),
        )
        try:
            with urllib.request.urlopen(request, timeout=60, context=UNVERIFIED) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read()}") from error

    def s3(self):
        with open(self.path) as file:
            credentials = json.load(file)
        return boto3.client(
            "s3",
            endpoint_url=f"https://127.0.0.1:{self.node.port(443)}",
            aws_access_key_id=credentials["accessKeyID"],
            aws_secret_access_key=credentials["secretAccessKey"],
            region_name="us-east-1",
            verify=False,
            config=Config(s3={"addressing_style": "path"}, read_timeout=120, retries={"max_attempts": 10}),
        )

    def put(self):
        self.s3().put_object(Bucket="first", Key="hello", Body=b"world")

    def check(self):
        body = self.s3().get_object(Bucket="first", Key="hello")["Body"].read()
        assert body == b"world", body


def certificate_of(node):
    """The certificate that S3 is served with."""
    return ssl.get_server_certificate(("127.0.0.1", node.port(443)), timeout=60)
