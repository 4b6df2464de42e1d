#!/usr/bin/env python3
"""Deploys the service by the AWS APIs, from the functions' packages, for one test, and removes it
again.

    deployment.py create NAME --settings FILE [--log-level LEVEL]
                         [--without-functions | --with-facts]
    deployment.py log NAME
    deployment.py remove NAME
    deployment.py sweep PREFIX
    deployment.py account

- `create` makes the resources of infra/, as far as LocalStack knows them and a test needs them.
  They are stream, table, on-failure queue, roles, functions with an alias each, event source
  mapping, and function URL. With facts the table has a change stream, and a notifier, the stream of
  facts, a subscriber and their tables are made too. All names begin with NAME. The command prints
  the resources as one JSON object. If it fails, it removes the resources that it has made.
- `log` prints the log of the functions.
- `remove` removes everything of that name. It succeeds if there is nothing.
- `sweep` removes every deployment whose name begins with PREFIX and a dash. Its exit code is 0 if
  there was no deployment. It is 3 if there was a deployment and it is gone now, because its maker
  should have removed it. It is another number if anything may be left.
- `account` prints the account of the credentials.

The environment has these values.

- AWS_ENDPOINT_URL, AWS_REGION and the credentials are as for every AWS tool.
- E2E_PACKAGES is the folder of the packages, which is dist/ if not given.
- ARCHITECTURE is the processor that the packages are built for.
"""

import argparse
import json
import os
import re
import sys
import time
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PATIENCE_SECONDS = 120
# DeleteQueue takes up to 60 s (SQS API reference). A table that is being deleted is listed until it
# is gone.
AWS_FORGETS_WITHIN_SECONDS = 90
# The errors of a resource that is still being made or changed. It can be deleted in a while.
BUSY = ("(ResourceInUseException)", "(ResourceConflictException)")
# The exit code of a sweep that has found something and removed it.
REMOVED_NOW = 3
POLLS = {"Delay": 0.2, "MaxAttempts": 5 * PATIENCE_SECONDS}


FUNCTIONS = ("api", "consumer", "notifier", "shipping")
# The prefix of a function's keys in the settings file, and of its mapping's keys.
PREFIXES = {"api": "api_", "consumer": "consumer_", "notifier": "notifier_", "shipping": "subscriber_"}
READING_KINESIS = [
    f"kinesis:{action}"
    for action in ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")
]
READING_CHANGES = [f"dynamodb:{action}" for action in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")]


class NotRemoved(Exception):
    """Something of a deployment may still be there."""


class Deployment:
    """Everything under one name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stream = f"{name}-intents"
        self.table = name
        self.facts_stream = f"{name}-facts"
        self.announcements, self.shipments, self.locks = f"{name}-announcements", f"{name}-shipments", f"{name}-shipment-locks"
        self.queue = f"{name}-intents-discarded"
        self.functions = {function: f"{name}-{function}" for function in FUNCTIONS}
        config = Config(retries={"mode": "standard", "max_attempts": 5}, read_timeout=120)
        client = lambda service: boto3.client(service, config=config)
        self.kinesis, self.dynamodb, self.sqs = client("kinesis"), client("dynamodb"), client("sqs")
        self.awslambda, self.iam, self.logs = client("lambda"), client("iam"), client("logs")

    # --- creating

    def create(self, settings: dict, packages: Path, log_level: str, with_functions: bool, with_facts: bool) -> dict:
        self.kinesis.create_stream(StreamName=self.stream, ShardCount=settings["shard_count"])
        if with_facts:
            self.kinesis.create_stream(StreamName=self.facts_stream, ShardCount=settings["facts_shard_count"])
            for table, key in ((self.announcements, "order_id"), (self.shipments, "order_id"), (self.locks, "id")):
                self.create_table(table, key)
        changes = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}}
        self.create_table(self.table, "order_id", **(changes if with_facts else {}))
        attributes = {"VisibilityTimeout": "1"}
        queue_url = self.sqs.create_queue(QueueName=self.queue, Attributes=attributes)["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        queue_arn = attributes["Attributes"]["QueueArn"]
        table = self.existing_table(self.table)
        stream_arn = self.existing_stream(self.stream, settings["retention_hours"])
        table_arn = table["TableArn"]
        made = {"stream": self.stream, "stream_arn": stream_arn, "table": self.table, "queue_url": queue_url}
        if not with_functions:
            return made

        api_role = self.create_role("api", {
            "kinesis:PutRecord": stream_arn,
            "kinesis:PutRecords": stream_arn,
            "dynamodb:GetItem": table_arn,
        })
        consumer_role = self.create_role("consumer", {
            **dict.fromkeys(READING_KINESIS, stream_arn),
            "dynamodb:UpdateItem": table_arn,
            "sqs:SendMessage": queue_arn,
        })
        # The consumer is created first, as in infra/, because it has to understand the api's
        # events.
        consumer = self.create_function("consumer", consumer_role, packages, settings, {
            "TABLE_NAME": self.table,
            "MAX_IN_FLIGHT": str(settings["consumer_max_in_flight"]),
            "LOG_LEVEL": log_level,
        })
        self.create_function("api", api_role, packages, settings, {
            "STREAM_NAME": self.stream,
            "TABLE_NAME": self.table,
            "CALLER": "none",
            "LOG_LEVEL": log_level,
        })
        mappings = [self.create_mapping(consumer, stream_arn, queue_arn, settings)]
        if with_facts:
            mappings += self.create_facts(table["LatestStreamArn"], queue_arn, packages, settings, log_level)
            made |= {
                "facts_stream": self.facts_stream,
                "announcements_table": self.announcements,
                "shipments_table": self.shipments,
            }
        url = self.create_url()
        for mapping in mappings:
            look = partial(self.awslambda.get_event_source_mapping, UUID=mapping)
            self.until("the mapping is enabled", lambda: look()["State"] == "Enabled")
        if is_localstack():
            # LocalStack tells functions apart by the host, whose name nobody resolves.
            return {**made, "url": os.environ["AWS_ENDPOINT_URL"].rstrip("/"), "host": urlsplit(url).netloc}
        return {**made, "url": url.rstrip("/"), "host": urlsplit(url).netloc}

    def create_facts(self, change_stream: str, queue_arn: str, packages: Path, settings: dict, log_level: str) -> list[str]:
        """Creates the functions behind the table's change stream, and returns their mappings. Their
        discards go to the same queue as the consumer's."""
        facts_arn = self.existing_stream(self.facts_stream, settings["facts_retention_hours"])
        announcements, shipments, locks = (
            self.existing_table(table)["TableArn"] for table in (self.announcements, self.shipments, self.locks)
        )
        notifier_role = self.create_role("notifier", {
            **dict.fromkeys(READING_CHANGES, change_stream),
            "kinesis:PutRecord": facts_arn,
            "kinesis:PutRecords": facts_arn,
            "dynamodb:UpdateItem": announcements,
            "sqs:SendMessage": queue_arn,
        })
        shipping_role = self.create_role("shipping", {
            **dict.fromkeys(READING_KINESIS, facts_arn),
            "dynamodb:PutItem": shipments,
            "dynamodb:UpdateItem": locks,
            "sqs:SendMessage": queue_arn,
        })
        notifier = self.create_function("notifier", notifier_role, packages, settings, {
            "FACTS_STREAM_NAME": self.facts_stream,
            "ANNOUNCEMENTS_TABLE_NAME": self.announcements,
            "LOG_LEVEL": log_level,
        })
        shipping = self.create_function("shipping", shipping_role, packages, settings, {
            "SHIPMENTS_TABLE_NAME": self.shipments,
            "LOCKS_TABLE_NAME": self.locks,
            "LOG_LEVEL": log_level,
        })
        return [
            self.create_mapping(notifier, change_stream, queue_arn, settings, PREFIXES["notifier"]),
            self.create_mapping(shipping, facts_arn, queue_arn, settings, PREFIXES["shipping"]),
        ]

    def create_table(self, table: str, key: str, **more) -> None:
        self.dynamodb.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            **more,
        )

    def existing_table(self, table: str) -> dict:
        """Waits until the table exists. Returns its description."""
        self.dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig=POLLS)
        return self.dynamodb.describe_table(TableName=table)["Table"]

    def existing_stream(self, stream: str, retention_hours: int) -> str:
        """Waits until the stream exists, and sets its retention. Returns its ARN."""
        self.kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig=POLLS)
        if retention_hours > 24:
            self.kinesis.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=retention_hours)
        return self.kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]

    def create_role(self, function: str, allowed: dict[str, str]) -> str:
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        statements = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in allowed.items()]
        logs = {"Effect": "Allow", "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}
        document = lambda statements: json.dumps({"Version": "2012-10-17", "Statement": statements})
        role = self.iam.create_role(RoleName=self.functions[function], AssumeRolePolicyDocument=document([trust]))
        self.iam.put_role_policy(
            RoleName=self.functions[function], PolicyName=function, PolicyDocument=document([*statements, logs])
        )
        return role["Role"]["Arn"]

    def create_function(self, function: str, role: str, packages: Path, settings: dict, variables: dict[str, str]) -> str:
        """Creates a function. Returns the ARN of its alias."""
        name = self.functions[function]
        create = lambda: self.awslambda.create_function(
            FunctionName=name,
            Role=role,
            Runtime="provided.al2023",
            Handler="bootstrap",
            Architectures=[os.environ.get("ARCHITECTURE") or "x86_64"],
            Code={"ZipFile": (packages / f"{function}.zip").read_bytes()},
            Timeout=settings[f"{PREFIXES[function]}timeout_seconds"],
            MemorySize=settings[f"{PREFIXES[function]}memory_mb"],
            Environment={"Variables": variables},
        )
        # Some parts of AWS do not know a new role at once.
        self.until_accepted(create, "cannot be assumed")
        self.awslambda.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=POLLS)
        version = self.awslambda.publish_version(FunctionName=name)["Version"]
        self.awslambda.get_waiter("published_version_active").wait(
            FunctionName=name, Qualifier=version, WaiterConfig=POLLS
        )
        alias = self.awslambda.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
        return alias["AliasArn"]

    def create_mapping(self, function: str, stream_arn: str, queue_arn: str, settings: dict, prefix: str = "") -> str:
        """Creates a mapping with the settings under this prefix. Returns its id."""
        of = lambda key: settings[f"{prefix}{key}"]
        create = lambda: self.awslambda.create_event_source_mapping(
            FunctionName=function,
            EventSourceArn=stream_arn,
            StartingPosition=of("starting_position"),
            BatchSize=of("batch_size"),
            MaximumBatchingWindowInSeconds=of("batching_window_seconds"),
            ParallelizationFactor=of("parallelization_factor"),
            MaximumRetryAttempts=of("maximum_retry_attempts"),
            MaximumRecordAgeInSeconds=of("maximum_record_age_seconds"),
            BisectBatchOnFunctionError=of("bisect_batch_on_function_error"),
            FunctionResponseTypes=["ReportBatchItemFailures"] if of("report_batch_item_failures") else [],
            DestinationConfig={"OnFailure": {"Destination": queue_arn}},
        )
        # The second text is AWS's sentence about a role that is not known yet.
        return self.until_accepted(create, "permission", "ensure the role can perform")["UUID"]

    def create_url(self) -> str:
        """A function URL that everybody may call."""
        name = self.functions["api"]
        url = self.awslambda.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="NONE")
        # Since October 2025 both permissions are needed (Lambda developer guide, "Control access to
        # Lambda function URLs").
        for statement, action, condition in [
            ("FunctionUrl", "lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
            ("FunctionUrlInvoke", "lambda:InvokeFunction", {} if is_localstack() else {"InvokedViaFunctionUrl": True}),
        ]:
            self.awslambda.add_permission(
                FunctionName=name, Qualifier="live", StatementId=statement, Action=action, Principal="*", **condition
            )
        return url["FunctionUrl"]

    # --- looking

    def log(self) -> str:
        events = []
        for name in self.functions.values():
            pages = self.logs.get_paginator("filter_log_events")
            found = gone(lambda: [event for page in pages.paginate(logGroupName=f"/aws/lambda/{name}") for event in page["events"]])
            events += found or []
        return "\n".join(event["message"].rstrip("\n") for event in sorted(events, key=lambda event: event["timestamp"]))

    # --- removing

    def remove(self) -> None:
        """Removes everything that exists. If one part cannot be removed, the others still are."""
        api = self.functions["api"]
        # The mapping is removed first, so that nothing polls a stream that is gone.
        steps = [self.remove_mappings, partial(self.awslambda.delete_function_url_config, FunctionName=api, Qualifier="live")]
        for function, name in self.functions.items():
            steps += [
                partial(self.awslambda.delete_function, FunctionName=name),
                partial(self.iam.delete_role_policy, RoleName=name, PolicyName=function),
                partial(self.iam.delete_role, RoleName=name),
                partial(self.logs.delete_log_group, logGroupName=f"/aws/lambda/{name}"),
            ]
        streams = (self.stream, self.facts_stream)
        tables = (self.table, self.announcements, self.shipments, self.locks)
        steps += [partial(self.kinesis.delete_stream, StreamName=stream, EnforceConsumerDeletion=True) for stream in streams]
        steps += [partial(self.dynamodb.delete_table, TableName=table) for table in tables]
        steps += [self.remove_queue]
        steps += [partial(self.until_a_stream_is_gone, stream) for stream in streams]
        errors = []
        for step in steps:
            try:
                gone(partial(self.until_accepted, step, *BUSY))
            except (ClientError, BotoCoreError, TimeoutError) as error:
                errors.append(str(error))
        if errors:
            raise NotRemoved(f"{self.name}: " + "; ".join(errors))

    def remove_mappings(self) -> None:
        """Removes the functions' mappings. It looks through all mappings, because AWS lists a
        mapping also when its function is gone."""
        pages = self.awslambda.get_paginator("list_event_source_mappings").paginate()
        for mapping in [mapping for page in pages for mapping in page["EventSourceMappings"]]:
            if any(f":function:{name}:" in mapping["FunctionArn"] for name in self.functions.values()):
                look = partial(self.awslambda.get_event_source_mapping, UUID=mapping["UUID"])
                gone(partial(self.awslambda.delete_event_source_mapping, UUID=mapping["UUID"]))
                self.until("the mapping is gone", lambda: gone(look) is None)

    def remove_queue(self) -> None:
        self.sqs.delete_queue(QueueUrl=self.sqs.get_queue_url(QueueName=self.queue)["QueueUrl"])

    def until_a_stream_is_gone(self, stream: str) -> None:
        look = partial(self.kinesis.describe_stream_summary, StreamName=stream)
        self.until("the stream is gone", lambda: gone(look) is None)

    # --- waiting

    def until(self, what: str, holds) -> None:
        give_up = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            if time.monotonic() > give_up:
                raise TimeoutError(f"{PATIENCE_SECONDS} s passed until {what}")
            time.sleep(0.2)

    def until_accepted(self, call, *while_it_says: str):
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return call()
            except ClientError as error:
                if not any(words in str(error) for words in while_it_says) or time.monotonic() > give_up:
                    raise
            time.sleep(1)


def is_localstack() -> bool:
    return "AWS_ENDPOINT_URL" in os.environ


def gone(call):
    """The result of the call, or None if the resource of the call does not exist."""
    try:
        return call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("ResourceNotFoundException", "NoSuchEntity", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"):
            return None
        raise


def left(prefix: str) -> list[str]:
    """The resources that exist under a prefix, of every kind that a deployment makes."""
    of = Deployment(prefix)
    pages = lambda client, call, key, **more: (
        item for page in client.get_paginator(call).paginate(**more) for item in page.get(key, [])
    )
    named = {
        "stream": pages(of.kinesis, "list_streams", "StreamNames"),
        "table": pages(of.dynamodb, "list_tables", "TableNames"),
        "queue": (url.rsplit("/", 1)[1] for url in pages(of.sqs, "list_queues", "QueueUrls")),
        "function": (function["FunctionName"] for function in pages(of.awslambda, "list_functions", "Functions")),
        "mapping of": (
            mapping["FunctionArn"].split(":function:")[1]
            for mapping in pages(of.awslambda, "list_event_source_mappings", "EventSourceMappings")
        ),
        "role": (role["RoleName"] for role in pages(of.iam, "list_roles", "Roles")),
        "log group": (
            group["logGroupName"].removeprefix("/aws/lambda/") for group in pages(of.logs, "describe_log_groups", "logGroups")
        ),
    }
    return [f"{kind} {name}" for kind, names in named.items() for name in names if name.startswith(prefix)]


def left_for_good(prefix: str) -> list[str]:
    """The same resources, after AWS has had the time to forget the deleted resources."""
    give_up = time.monotonic() + (0 if is_localstack() else AWS_FORGETS_WITHIN_SECONDS)
    while (found := left(prefix)) and time.monotonic() < give_up:
        time.sleep(5)
    return found


def sweep(prefix: str) -> int:
    """Removes every deployment with the prefix. Returns the exit code."""
    found = left_for_good(prefix)
    if not found:
        return 0
    print("left behind: " + ", ".join(found), file=sys.stderr)
    # The name of each resource begins with the deployment's name. The deployment's name ends with
    # eight hexadecimal digits.
    names = {re.search(rf"{re.escape(prefix)}-[0-9a-f]{{8}}", thing) for thing in found}
    for name in {name.group() for name in names if name}:
        try:
            Deployment(name).remove()
        except NotRemoved as error:
            print(error, file=sys.stderr)
    if still := left_for_good(prefix):
        print("could not be removed: " + ", ".join(still), file=sys.stderr)
        return 1
    return REMOVED_NOW


def main() -> None:
    parser = argparse.ArgumentParser(description="Deploys the service for a test, and removes it.")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create")
    create.add_argument("name")
    create.add_argument("--settings", type=Path, required=True)
    create.add_argument("--log-level", default="info")
    parts = create.add_mutually_exclusive_group()
    parts.add_argument("--without-functions", action="store_true")
    parts.add_argument("--with-facts", action="store_true")
    for command in ("log", "remove"):
        commands.add_parser(command).add_argument("name")
    commands.add_parser("sweep").add_argument("prefix")
    commands.add_parser("account")
    options = parser.parse_args()
    match options.command:
        case "create":
            deployment = Deployment(options.name)
            settings = json.loads(options.settings.read_text())
            packages = Path(os.environ.get("E2E_PACKAGES") or Path(__file__).resolve().parents[2] / "dist")
            try:
                made = deployment.create(
                    settings, packages, options.log_level, not options.without_functions, options.with_facts
                )
                print(json.dumps(made))
            except BaseException:
                deployment.remove()
                raise
        case "log":
            print(Deployment(options.name).log())
        case "remove":
            Deployment(options.name).remove()
        case "sweep":
            sys.exit(sweep(options.prefix))
        case "account":
            print(boto3.client("sts").get_caller_identity()["Account"])


if __name__ == "__main__":
    main()
