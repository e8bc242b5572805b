"""A pytest plugin: records each test's outcome, and cleans up after tests leniently.

The suite's own clean-up raises when one bucket of an earlier test cannot be removed, and then fails
every later test for what one did.
"""

import json
import os
import re

import pytest

# Marks that say how to run a test, not what it tests.
PLUMBING = {"parametrize", "skip", "skipif", "xfail", "usefixtures", "filterwarnings", "timeout"}


def pytest_collection_modifyitems(config, items):
    select = os.environ.get("RECORDER_SELECT")
    if not select:
        return
    with open(select) as file:
        wanted = {line.split("#")[0].strip() for line in file} - {""}
    kept = [item for item in items if item.name in wanted or item.originalname in wanted]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def pytest_configure(config):
    import s3tests.functional as suite

    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        # Some tests want to be alone with their tenants.
        os.environ["S3TEST_CONF"] += f".{worker}"
    suite.nuke_bucket = lenient(suite.nuke_bucket)
    strict_setup, strict_teardown = suite.setup, suite.teardown

    def setup():
        forgive(strict_setup)

    def teardown():
        forgive(strict_teardown)
        # What could not be removed is not tried again after each later test.
        suite.prefix = suite.choose_bucket_prefix(template="s3t-{random}-")

    suite.setup, suite.teardown = setup, teardown


def forgive(clean_up):
    try:
        clean_up()
    except Exception as error:
        print("clean-up:", error)


def lenient(strict):
    """Empties a bucket by plain listings where listing versions fails."""

    def nuke(client, bucket):
        try:
            return strict(client, bucket)
        except Exception:
            while keys := client.list_objects_v2(Bucket=bucket).get("Contents"):
                for entry in keys:
                    client.delete_object(Bucket=bucket, Key=entry["Key"])
            for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
                client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            return client.delete_bucket(Bucket=bucket)

    return nuke


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    outcome.get_result().features = [mark.name for mark in item.iter_markers() if mark.name not in PLUMBING]


def pytest_runtest_logreport(report):
    if os.environ.get("PYTEST_XDIST_WORKER"):
        return  # the controller gets every report
    line = {
        "test": report.nodeid.split("::")[-1],
        "when": report.when,
        "outcome": report.outcome,
        "seconds": round(report.duration, 3),
        "features": getattr(report, "features", []),
        "reason": "" if report.outcome == "passed" else reason(str(report.longrepr)),
    }
    with open(os.environ["RECORDER_RESULTS"], "a") as file:
        file.write(json.dumps(line) + "\n")


def reason(text):
    errors = re.findall(r"^E\s+(.*)$", text, re.M)
    lines = errors or text.strip().splitlines() or [""]
    return lines[-1][:300]
