#!/usr/bin/env python3
"""Checks that the guard of the module depends on every other resource. The input is the output of
`terraform graph`.

    terraform -chdir=modules/orders graph | tests/graph.py
"""

import re
import sys

GUARD = "aws_dynamodb_table.guard"


def unguarded(graph):
    """The resources that a destroy would reach before the guard."""
    resources = {name for name in re.findall(r'^\s*"([\w.]+)" \[label=', graph, re.M) if not name.startswith("data.")}
    needs = {}
    for one, other in re.findall(r'^\s*"([\w.]+)" -> "([\w.]+)";', graph, re.M):
        needs.setdefault(one, set()).add(other)
    reached, waiting = set(), [GUARD]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(needs.get(name, ()))
    if GUARD not in resources or len(resources) < 40:
        sys.exit(f"infra/tests/graph.py: this is not the module's graph: {sorted(resources)}")
    return sorted(resources - reached)


if __name__ == "__main__":
    found = unguarded(sys.stdin.read())
    if found:
        sys.exit(f"infra/tests/graph.py: a destroy would reach these before the guard: {', '.join(found)}")
