"""A rack for the suite: the daemons, and the tenants that its tests act as."""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import tempfile
import urllib.parse
import urllib.request

import boto3

READY = "Hayrack is ready"
TENANTS = ("main", "alt", "tenant")

# The tests that act as IAM users find nobody; the suite wants the sections to be there.
IAM = """
[iam]
display_name = nobody
user_id = nobody
email = nobody@example.com
access_key = AKNOBODY
secret_key = nobody
[iam root]
user_id = nobody
email = nobody@example.com
access_key = AKNOBODY
secret_key = nobody
[iam alt root]
user_id = nobody
email = nobody@example.com
access_key = AKNOBODY
secret_key = nobody
"""


@contextlib.contextmanager
def running(chosen):
    """The URLs of S3 and of the REST API: of the daemons named, else of ones started for the time."""
    if chosen.endpoint:
        yield chosen.endpoint, chosen.api
        return
    with tempfile.TemporaryDirectory(prefix="hayrack-s3-tests-") as folder, open(chosen.out / "daemons.log", "w") as log:
        s3, api = free_address(), free_address()
        listen = {"HAYRACK_DATA": folder, "HAYRACK_S3_LISTEN": s3, "HAYRACK_API_LISTEN": api}
        command = [chosen.bin.resolve() / "s3d", "quickstart"]
        daemons = subprocess.Popen(command, env=os.environ | listen, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            if not any(line.startswith(READY) for line in daemons.stdout):
                raise SystemExit(f"the daemons did not start; see {log.name}")
            yield f"http://{s3}", f"http://{api}"
        finally:
            daemons.terminate()
            daemons.communicate()


def free_address():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def write_config(path, endpoint, api):
    """Signs up the tenants and writes the suite's configuration, which holds their keys."""
    address = urllib.parse.urlsplit(endpoint)
    text = f"[DEFAULT]\nhost = {address.hostname}\nport = {address.port}\n"
    text += f"is_secure = {address.scheme == 'https'}\nssl_verify = False\n"
    text += "[fixtures]\nbucket prefix = s3t-{random}-\n"
    for role in TENANTS:
        text += section(role, *sign_up(api, role), endpoint)
    path.touch(mode=0o600)
    path.write_text(text + IAM)


def sign_up(api, role):
    """A new tenant's namespace, e-mail address and key."""
    namespace = f"{role}-{secrets.token_hex(4)}"
    email = f"{namespace}@example.com"
    password = secrets.token_urlsafe(24)
    post(api, "auth/sign-up", {"email": email, "password": password, "namespace": namespace})
    token = post(api, "auth/login", {"email": email, "password": password})["accessToken"]
    return namespace, email, post(api, "keys", {"namespace": namespace}, token)


def post(api, path, body, token=None):
    request = urllib.request.Request(f"{api}/api/v1/{path}", json.dumps(body).encode(), {"content-type": "application/json"})
    if token:
        request.add_header("authorization", f"Bearer {token}")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def section(role, namespace, email, key, endpoint):
    access, secret = key["accessKeyID"], key["secretAccessKey"]
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=access, aws_secret_access_key=secret
    )
    owner = client.list_buckets()["Owner"]
    text = f"[s3 {role}]\ndisplay_name = {owner['DisplayName']}\nuser_id = {owner['ID']}\nemail = {email}\n"
    text += f"access_key = {access}\nsecret_key = {secret}\n"
    return text + (f"tenant = {namespace}\n" if role == "tenant" else "")
