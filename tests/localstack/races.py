#!/usr/bin/env python3
"""Lets callers of LocalStack race each other, and counts the rounds in which a promise of AWS is
broken.

    races.py [ROUNDS] [--only RACE]

LocalStack is at AWS_ENDPOINT_URL, or on this machine at LOCALSTACK_PORT, which is 4566 if not
given. Ten callers at once make a round. The exit code is 1 if a promise was broken in any round.

The suites do not run this program, because it finds a fault by luck. For DynamoDB in host mode,
host_test.py finds the same faults for certain. This program is for a new version of LocalStack, and
for a version that is in doubt.
"""

import argparse
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ.get("AWS_ENDPOINT_URL") or f"http://127.0.0.1:{os.environ.get('LOCALSTACK_PORT', '4566')}"
CALLERS = 10
REFUSED = ("ConditionalCheckFailedException", "TransactionCanceledException", "TransactionConflictException")
# A request that is sent again would count twice.
CONFIG = Config(max_pool_connections=CALLERS, retries={"total_max_attempts": 1}, read_timeout=60)

dynamodb = sqs = kinesis = None
callers = ThreadPoolExecutor(CALLERS)
all_are_ready = threading.Barrier(CALLERS)
caller_of_this_thread = threading.local()


def at_once(call: Callable[[int], object]) -> list:
    """The results of all callers. Their first requests are sent when all of them are made and
    signed. Making and signing takes longer than answering, so otherwise hardly two requests would
    be at LocalStack together."""

    def begin(caller: int) -> object:
        caller_of_this_thread.waits = True
        return call(caller)

    return list(callers.map(begin, range(CALLERS)))


def wait_for_all(**_: object) -> None:
    if getattr(caller_of_this_thread, "waits", False):
        caller_of_this_thread.waits = False
        all_are_ready.wait()


def done(call: Callable[..., object], **request: object) -> bool:
    """Makes the call. Returns False if a condition or another transaction refused it."""
    try:
        call(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] not in REFUSED:
            raise
        return False
    return True


@contextmanager
def table() -> Iterator[str]:
    name = f"races-{uuid.uuid4().hex[:8]}"
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name)
    try:
        yield name
    finally:
        dynamodb.delete_table(TableName=name)


def item(table: str, key: str) -> dict:
    return dynamodb.get_item(TableName=table, Key={"id": {"S": key}}, ConsistentRead=True).get("Item", {})


def puts(table: str, key: str) -> bool:
    """Of puts on condition that there is nothing, one is done (DynamoDB developer guide, "Condition
    expressions")."""
    put = {"TableName": table, "ConditionExpression": "attribute_not_exists(id)"}
    answers = at_once(lambda caller: done(dynamodb.put_item, Item={"id": {"S": key}, "by": {"N": str(caller)}}, **put))
    return answers.count(True) == 1 and item(table, key)["by"]["N"] == str(answers.index(True))


def counters(table: str, key: str) -> bool:
    """Of updates that add, none is lost (DynamoDB developer guide, "Atomic counters")."""
    add = {"UpdateExpression": "SET n = if_not_exists(n, :none) + :one"}
    values = {":none": {"N": "0"}, ":one": {"N": "1"}}
    request = {"TableName": table, "Key": {"id": {"S": key}}, "ExpressionAttributeValues": values, **add}
    at_once(lambda _: dynamodb.update_item(**request))
    return item(table, key)["n"]["N"] == str(CALLERS)


def updates(table: str, key: str) -> bool:
    """Of updates on condition of the version that was read, one is done. A lock is taken over in
    this way."""
    dynamodb.put_item(TableName=table, Item={"id": {"S": key}, "version": {"N": "1"}})
    request = {
        "TableName": table,
        "Key": {"id": {"S": key}},
        "UpdateExpression": "SET version = :new, taken_by = :by",
        "ConditionExpression": "version = :old",
    }
    values = {":old": {"N": "1"}, ":new": {"N": "2"}}
    answers = at_once(
        lambda caller: done(
            dynamodb.update_item, ExpressionAttributeValues=values | {":by": {"N": str(caller)}}, **request
        )
    )
    return answers.count(True) == 1 and item(table, key)["taken_by"]["N"] == str(answers.index(True))


def deletes(table: str, key: str) -> bool:
    """Of deletes on condition that there is something, one is done."""
    dynamodb.put_item(TableName=table, Item={"id": {"S": key}})
    request = {"TableName": table, "Key": {"id": {"S": key}}, "ConditionExpression": "attribute_exists(id)"}
    return at_once(lambda _: done(dynamodb.delete_item, **request)).count(True) == 1


def transactions(table: str, key: str) -> bool:
    """Of transactions that put the same two items, one is done as a whole. It undoes nothing of
    other callers. AWS may also do none, because each transaction can be in another's way (DynamoDB
    developer guide, "Transaction conflict handling")."""
    both = [f"{key}-a", f"{key}-b"]

    def call(caller: int) -> bool:
        if caller % 2:
            return done(dynamodb.put_item, TableName=table, Item={"id": {"S": f"{key}-{caller}"}})
        put = lambda id: {
            "Put": {
                "TableName": table,
                "Item": {"id": {"S": id}, "by": {"N": str(caller)}},
                "ConditionExpression": "attribute_not_exists(id)",
            }
        }
        return done(dynamodb.transact_write_items, TransactItems=[put(id) for id in both])

    answers = at_once(call)
    winners = [str(caller) for caller in range(0, CALLERS, 2) if answers[caller]]
    found = [item(table, id).get("by", {}).get("N") for id in both]
    others = [caller for caller in range(1, CALLERS, 2) if not item(table, f"{key}-{caller}")]
    return len(winners) <= 1 and found == (winners or [None]) * 2 and not others


def receives(url: str, key: str) -> bool:
    """A message that a standard queue hands out is hidden from all others. AWS delivers a message
    at least once, and LocalStack exactly once."""
    entries = [{"Id": str(number), "MessageBody": f"{key}-{number}"} for number in range(CALLERS)]
    sqs.send_message_batch(QueueUrl=url, Entries=entries)

    def receive(_: int) -> list[str]:
        answer = sqs.receive_message(QueueUrl=url, VisibilityTimeout=60, MaxNumberOfMessages=2)
        messages = answer.get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in messages]

    bodies = sorted(body for received in at_once(receive) for body in received)
    return bodies == sorted(entry["MessageBody"] for entry in entries)


def records(stream: str, key: str) -> bool:
    """Each record has its own sequence number, which grows from put to put of one caller. The shard
    has the records in the sequence of their numbers (Kinesis API reference, "PutRecord")."""

    def put(caller: int) -> list[tuple[int, str]]:
        put = []
        for number in range(2):
            data = f"{key}-{caller}-{number}"
            answer = kinesis.put_record(StreamName=stream, PartitionKey=key, Data=data.encode())
            put.append((int(answer["SequenceNumber"]), data))
        return put

    answers = at_once(put)
    acknowledged = sorted(record for answer in answers for record in answer)
    start = {"ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": str(acknowledged[0][0])}
    shard = kinesis.list_shards(StreamName=stream)["Shards"][0]["ShardId"]
    position = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, **start)["ShardIterator"]
    read = kinesis.get_records(ShardIterator=position)["Records"]
    stored = [(int(record["SequenceNumber"]), record["Data"].decode()) for record in read]
    return stored == acknowledged and all(first < second for first, second in answers)


@contextmanager
def queue() -> Iterator[str]:
    url = sqs.create_queue(QueueName=f"races-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    try:
        yield url
    finally:
        sqs.delete_queue(QueueUrl=url)


@contextmanager
def stream() -> Iterator[str]:
    name = f"races-{uuid.uuid4().hex[:8]}"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name)
    try:
        yield name
    finally:
        kinesis.delete_stream(StreamName=name)


RACES = {
    puts: table,
    counters: table,
    updates: table,
    deletes: table,
    transactions: table,
    receives: queue,
    records: stream,
}


def holds(race: Callable[[str, str], bool], where: str) -> bool:
    try:
        return race(where, uuid.uuid4().hex)
    except ClientError as error:
        # The error is moto's, if its data changes while moto walks through it.
        print(f"{race.__name__}: {error}", flush=True)
        return False


def main() -> None:
    global dynamodb, sqs, kinesis
    names = [race.__name__ for race in RACES]
    parser = argparse.ArgumentParser(description="Races callers of AWS's APIs against each other.")
    parser.add_argument("rounds", metavar="ROUNDS", nargs="?", type=int, default=300)
    parser.add_argument("--only", metavar="RACE", choices=names, help=", ".join(names))
    options = parser.parse_args()
    # LocalStack checks nobody's identity. These credentials are never anybody's on AWS.
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    client = lambda service: session.client(service, endpoint_url=ENDPOINT, config=CONFIG)
    dynamodb, sqs, kinesis = map(client, ("dynamodb", "sqs", "kinesis"))
    for service in (dynamodb, sqs, kinesis):
        service.meta.events.register("before-send", wait_for_all)
    broken = 0
    for race, place in RACES.items():
        if options.only not in (None, race.__name__):
            continue
        began = time.monotonic()
        with place() as where:
            failed = sum(not holds(race, where) for _ in range(options.rounds))
        broken += failed
        print(f"{race.__name__}: broken in {failed} of {options.rounds} rounds ({time.monotonic() - began:.0f} s)", flush=True)
    sys.exit(broken > 0)


if __name__ == "__main__":
    main()
