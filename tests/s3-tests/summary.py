"""What a run of the suite came to: by feature, within the scope, and by name."""

import collections
import json
import re

BEGIN, END = "<!-- s3-tests: begin -->", "<!-- s3-tests: end -->"
OUTCOMES = ("passed", "failed", "skipped")


def read(path):
    """Outcome, features and reason of each test, by name; {} if none ran."""
    results = {}
    if not path.exists():
        return results
    for line in path.read_text().splitlines():
        report = json.loads(line)
        entry = results.setdefault(
            report["test"], {"features": report["features"], "outcome": "failed", "reason": "did not end", "seconds": 0}
        )
        entry["seconds"] += report["seconds"]
        # The body decides; before it, only what kept it from running. What clean-up did is not asked.
        if report["when"] == "call" or (report["when"] == "setup" and report["outcome"] != "passed"):
            entry["outcome"], entry["reason"] = report["outcome"], report["reason"]
    return results


def read_names(path):
    """The names in a file, without comments."""
    return {line.split("#")[0].strip() for line in path.read_text().splitlines()} - {""}


def count(results):
    """[(feature, counts by outcome)] sorted by feature; a test counts under each of its marks."""
    counts = collections.defaultdict(collections.Counter)
    for entry in results.values():
        for feature in entry["features"] or ["(no mark)"]:
            counts[feature][entry["outcome"]] += 1
    return sorted(counts.items())


def totals(results, scope):
    """[(title, counts)]: of all tests, and of those in scope."""
    both = (("all", results), ("in scope", {name: results[name] for name in results if name in scope}))
    return [(title, collections.Counter(entry["outcome"] for entry in some.values())) for title, some in both]


def unlisted(results, scope, out_of_scope):
    """The tests that neither list names: the suite is newer than the lists."""
    return sorted(name for name in results if name not in scope and name.split("[")[0] not in out_of_scope)


def text(results, scope):
    rows = [(name, *(counts[outcome] for outcome in OUTCOMES)) for name, counts in count(results) + totals(results, scope)]
    lines = [f"{'feature':32}{'passed':>8}{'failed':>8}{'skipped':>8}"]
    lines += [f"{name:32}{passed:8}{failed:8}{skipped:8}" for name, passed, failed, skipped in rows]
    failed = sorted(name for name in results if name in scope and results[name]["outcome"] == "failed")
    lines += ["", f"failed in scope ({len(failed)}):"] + [f"  {name}: {results[name]['reason']}" for name in failed]
    return "\n".join(lines) + "\n"


def markdown(results, scope):
    lines = ["| feature | passed | failed | skipped |", "|---|---:|---:|---:|"]
    for name, counts in count(results) + totals(results, scope):
        lines.append("| " + " | ".join([name, *(str(counts[outcome]) for outcome in OUTCOMES)]) + " |")
    return "\n".join(lines)


def write_lists(folder, results):
    for outcome in OUTCOMES:
        names = sorted(name for name in results if results[name]["outcome"] == outcome)
        (folder / f"{outcome}.txt").write_text("".join(f"{name}\n" for name in names))
    failed = sorted((name, entry["reason"]) for name, entry in results.items() if entry["outcome"] == "failed")
    (folder / "reasons.txt").write_text("".join(f"{name}\t{why}\n" for name, why in failed))


def replace_table(document, table):
    before = document.read_text()
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.S)
    if not pattern.search(before):
        raise SystemExit(f"{document} has no lines {BEGIN} and {END} to write between")
    document.write_text(pattern.sub(lambda _: f"{BEGIN}\n{table}\n{END}", before))
