#!/usr/bin/env python3
"""Compares all that the module makes with golden files, so that no change goes unseen.

    tests/golden.py            compares, and prints each difference
    tests/golden.py --write    writes the golden files anew
    tests/golden.py source     compares source.txt
    tests/golden.py RUN        compares this run, which has to be the only run of the test file

The script runs in infra/, after `terraform init` in modules/orders. The golden files are in
modules/orders/tests/golden.

- A file for each run of tests/golden.tftest.hcl has all resources and outputs of the run, with all
  attributes that have a value. It tells of a wrong edge, a changed value, a new resource and a
  resource that is gone.
  It does not show the false of a switch, because a mock gives false to each switch that is not set.
  Two switches that are the same in each run may be in each other's place. For these there is
  tests/distinct.tftest.hcl.
- `alarms.json` has the metrics' alarms, each in a form that can be read at a glance. The runs after
  the first have the alarms that are not as in the first run. An alarm that is not there is null.
- `source.txt` has the parts that a mocked run does not show. These are the names of the arguments
  that each resource sets, its lifecycle and what it depends on. For the module and the root they
  are also the variables with their defaults and validations, the outputs, the versions of Terraform
  and of the provider, and the provider's configuration.
"""

import difflib
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

INFRA = Path.cwd()
MODULE = INFRA / "modules/orders"
GOLDEN = MODULE / "tests/golden"
ALARM = "aws_cloudwatch_metric_alarm.orders"
# The arguments of a metric that `at_a_glance` shows.
SHOWN = {"namespace", "metric_name", "stat", "period", "dimensions"}
# Prose, which no machine reads. Other tests compare its links and its limits.
PROSE = ("description", "alarm_description")
# Blocks that are written with their values, and not by the names of their arguments alone.
WHOLE = ("terraform", "provider", "variable", "output", "check", "module", "data")
# Arguments whose values are written, because a mocked run does not show them.
META = ("lifecycle", "depends_on")


def states():
    """The state after each run, by the run's name."""
    run = subprocess.run(
        ["terraform", "test", "-json", "-verbose", "-filter=tests/golden.tftest.hcl"],
        cwd=MODULE, stdout=subprocess.PIPE, text=True,
    )
    events = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    if run.returncode:
        told = [event["diagnostic"] for event in events if "diagnostic" in event]
        sys.exit("\n".join(f"{one['summary']}: {one.get('detail', '')}" for one in told) or run.stdout)
    return {event["@testrun"]: event["test_state"] for event in events if "test_state" in event}


def common(one, other):
    """The value as far as two runs agree on it. A mock makes a random value for each attribute that
    is not set, so two runs differ there. A value that is empty says nothing either."""
    if isinstance(one, dict) and isinstance(other, dict):
        both = {key: common(one[key], other[key]) for key in sorted(one) if key in other and key not in PROSE}
        # False equals 0.
        return {key: value for key, value in both.items() if value not in (None, "", 0, [], {})} or None
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return f"{one} or {other}"
        return [common(*pair) for pair in zip(one, other)]
    if isinstance(one, str) and isinstance(other, str) and one[:1] in "{[" and one == other:
        try:
            return json.loads(one)
        except ValueError:
            return one
    return one if one == other else None


def resources(state):
    found = {resource["address"]: resource["values"] for resource in state["root_module"]["resources"]}
    for name, output in state["outputs"].items():
        found[f"output.{name}"] = {"value": output.get("value")}
    return found


def snapshots():
    """The text of each golden file of runs."""
    with ThreadPoolExecutor() as pool:
        once, again = [pool.submit(states) for _ in range(2)]
        once, again = once.result(), again.result()
    texts, shipped, alarms = {}, {}, {}
    for name in once:
        found = common(resources(once[name]), resources(again[name]))
        alarms[name] = {
            address[len(ALARM) + 2 : -2]: at_a_glance(value)
            for address, value in found.items()
            if address.startswith(ALARM)
        }
        shipped = shipped or alarms[name]
        if name != "shipped":
            alarms[name] = {
                alarm: alarms[name].get(alarm)
                for alarm in {*shipped, *alarms[name]}
                if alarms[name].get(alarm) != shipped.get(alarm)
            }
        others = {address: value for address, value in found.items() if not address.startswith(ALARM)}
        texts[f"{name}.json"] = dump(others)
    texts["alarms.json"] = dump(alarms)
    return texts


def at_a_glance(alarm):
    """The alarm with each of its queries on a line. An unexpected part stays as it is."""
    queries = {}
    for query in alarm.pop("metric_query"):
        metric = query.get("metric", [{}])[0]
        if set(query) == {"id", "metric"} and set(metric) <= SHOWN:
            dimensions = ", ".join(f"{key} {value}" for key, value in metric.get("dimensions", {}).items())
            value = f"{metric.get('stat')} of {metric.get('namespace')} {metric.get('metric_name')}"
            queries[query["id"]] = f"{value} in {metric.get('period')} s ({dimensions})"
        else:
            queries[query.pop("id")] = query
    return {**alarm, "queries": queries}


def dump(value):
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def without_comments(text):
    return [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def blocks(text):
    """Each top-level block as its lines. `terraform fmt` puts its end at the margin."""
    block = []
    for line in without_comments(text):
        block.append(line)
        if line.startswith("}") or (line[0] not in " }" and not line.endswith("{")):
            yield block
            block = []


def arguments(lines):
    """The arguments of a resource's block, without their values, but for those of META."""
    written, path, depth, meta = [], [], 0, False
    for line in lines:
        bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', line)
        opened = sum(bare.count(c) for c in "([{") - sum(bare.count(c) for c in ")]}")
        if depth:
            depth += opened
            if meta:
                written.append(line)
            meta = meta and depth > 0
            continue
        argument = re.match(r"\s*([\w-]+)\s*=", line)
        nested = re.match(r'\s*((?:dynamic\s+)?[\w-]+|dynamic\s+"[\w-]+")\s*{$', line)
        if argument:
            meta = argument[1] in META or "lifecycle" in path
            depth = opened
            written.append(line if meta else f"{line[:len(line) - len(line.lstrip())]}{argument[1]}")
            meta = meta and depth > 0
        elif nested:
            path.append(nested[1])
            written.append(line)
        else:
            if path:
                path.pop()
            written.append(line)
    return written


def source():
    """The text of source.txt."""
    written = []
    for file in sorted([*MODULE.glob("*.tf"), *INFRA.glob("*.tf")]):
        for block in blocks(file.read_text()):
            kind = block[0].split()[0]
            if kind == "resource":
                # The first line and the last are the block's own.
                written.append([block[0], *arguments(block[1:-1]), block[-1]])
            elif kind in WHOLE:
                prose = re.compile(r"\s*(description|error_message)\s*=")
                written.append([line for line in block if not prose.match(line)])
            elif kind not in ("locals", "moved"):
                sys.exit(f"infra/tests/golden.py: {file.name} has a block of an unknown kind: {block[0]}")
            if written and kind not in ("locals", "moved"):
                written[-1].insert(0, f"# {file.relative_to(INFRA)}")
    return "\n".join("\n".join(block) + "\n" for block in sorted(written))


def main():
    part = sys.argv[1] if len(sys.argv) == 2 and sys.argv[1] != "--write" else None
    texts = ({"source.txt": source()} if part in (None, "source") else {}) | (snapshots() if part != "source" else {})
    # The alarms of the other runs are written as what differs from the first run.
    if part not in (None, "source", "shipped"):
        del texts["alarms.json"]
    if sys.argv[1:] == ["--write"]:
        for name, text in texts.items():
            (GOLDEN / name).write_text(text)
        return
    failed = sorted({path.name for path in GOLDEN.iterdir()} - set(texts)) if part is None else []
    for name, text in texts.items():
        path = GOLDEN / name
        golden = path.read_text() if path.exists() else ""
        if part == "shipped" and name == "alarms.json" and golden:
            golden = dump({part: json.loads(golden)[part]})
        if text != golden:
            failed.append(name)
            sys.stderr.writelines(difflib.unified_diff(
                golden.splitlines(True), text.splitlines(True), f"golden/{name}", "as it is now", n=6,
            ))
    if failed:
        sys.exit(
            f"infra/tests/golden.py: {', '.join(failed)} not as written. If each difference is meant, write the files"
            " anew (tests/golden.py --write), and remove a file that belongs to no run."
        )
    print(f"golden: {len(texts)} files are as they were")


if __name__ == "__main__":
    main()
