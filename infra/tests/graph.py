#!/usr/bin/env python3
"""Checks what depends on what in the module. A mocked test does not see the sequence in which
resources change, but the graph does. The input is the output of `terraform graph`.

- The guard depends on every other resource.
- Each pair of ARROWS is in the graph, where the first depends on the second.

    terraform -chdir=modules/orders graph | tests/graph.py
"""

import re
import sys

GUARD = "aws_dynamodb_table.guard"
NO_OPEN_ARCHIVE = "no discard may reach an open archive"
NOTHING_SAVED = "the protected table must be destroyed before the data that belongs to it"
NO_RIGHTS = "a first invocation must not find its role without rights"

# Each pair with the reason.
ARROWS = [
    ("aws_lambda_alias.api", "aws_lambda_alias.consumer", "the consumer must be updated before the api"),
    ("aws_lambda_alias.consumer", "aws_lambda_alias.notifier", "the notifier must be updated before the consumer"),
    ("aws_lambda_alias.consumer", "aws_lambda_alias.reader", "the reader must be updated before the consumer"),
    ("aws_lambda_alias.api", "aws_apigatewayv2_route.read", "reads must go to the reader before the api refuses them"),
    ("aws_apigatewayv2_route.read", "aws_lambda_permission.http_api_reader", "the gateway must be allowed to invoke the reader first"),
    ("aws_lambda_event_source_mapping.consumer", "aws_s3_bucket_server_side_encryption_configuration.discarded", NO_OPEN_ARCHIVE),
    ("aws_lambda_event_source_mapping.consumer", "aws_s3_bucket_ownership_controls.discarded", NO_OPEN_ARCHIVE),
    ("aws_lambda_event_source_mapping.consumer", "aws_s3_bucket_lifecycle_configuration.discarded", NO_OPEN_ARCHIVE),
    ("aws_lambda_event_source_mapping.consumer", "aws_s3_bucket_policy.discarded", NO_OPEN_ARCHIVE),
    ("aws_s3_bucket_policy.discarded", "aws_s3_bucket_public_access_block.discarded", "no discard may reach a public archive"),
    ("aws_dynamodb_table.orders", "aws_kinesis_stream.intents", NOTHING_SAVED),
    ("aws_dynamodb_table.orders", "aws_kinesis_stream.facts", NOTHING_SAVED),
    ("aws_dynamodb_table.orders", "aws_dynamodb_table.announcements", NOTHING_SAVED),
    ("aws_lambda_function.api", "aws_iam_role_policy.api", NO_RIGHTS),
    ("aws_lambda_function.reader", "aws_iam_role_policy.reader", NO_RIGHTS),
    ("aws_lambda_function.consumer", "aws_iam_role_policy.consumer", NO_RIGHTS),
    ("aws_lambda_function.notifier", "aws_iam_role_policy.notifier", NO_RIGHTS),
]


def read(graph):
    """The resources of a graph, and the resources that each depends on directly."""
    resources = {name for name in re.findall(r'^\s*"([\w.]+)" \[label=', graph, re.M) if not name.startswith("data.")}
    needs = {}
    for one, other in re.findall(r'^\s*"([\w.]+)" -> "([\w.]+)";', graph, re.M):
        needs.setdefault(one, set()).add(other)
    return resources, needs


def unguarded(graph):
    """The resources that a destroy would reach before the guard."""
    resources, needs = read(graph)
    reached, waiting = set(), [GUARD]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(needs.get(name, ()))
    if GUARD not in resources or len(resources) < 40:
        sys.exit(f"infra/tests/graph.py: this is not the module's graph: {sorted(resources)}")
    return sorted(resources - reached)


def missing_arrows(graph):
    """The reasons of the arrows that are not in the graph."""
    _, needs = read(graph)
    return [f"{one} does not depend on {other}: {reason}" for one, other, reason in ARROWS if other not in needs.get(one, ())]


if __name__ == "__main__":
    given = sys.stdin.read()
    found = unguarded(given)
    if found:
        sys.exit(f"infra/tests/graph.py: a destroy would reach these before the guard: {', '.join(found)}")
    missing = missing_arrows(given)
    if missing:
        sys.exit("infra/tests/graph.py: " + "; ".join(missing))
