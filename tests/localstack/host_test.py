#!/usr/bin/env python3
"""Tests DynamoDB in host mode with requests that come at the same time, by LocalStack's own
dispatch and moto's own code.

A race is a matter of luck, so these tests leave nothing to luck. Between its read and its write
moto waits for the other request. The other request may never come, because it has to wait for its
turn. Then the first request goes on after a while.
"""

import threading
import time
import unittest
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from unittest.mock import MagicMock, patch

import moto.dynamodb.models
import moto_dynamodb
from localstack.aws.client import parse_response
from localstack.aws.forwarder import create_aws_request_context
from localstack.aws.skeleton import Skeleton
from moto.dynamodb.models.table import Table
from moto.dynamodb.parsing import partiql

# The time that one request waits for the other. Without turns the other request comes within
# milliseconds. A green run waits for the whole time.
PATIENCE_SECONDS = 0.5

service = moto_dynamodb.dynamodb.factory().create_service()
streams = moto_dynamodb.dynamodbstreams.factory().create_service()


def call(operation: str, **request: object) -> tuple[int, dict]:
    """Makes a request. Returns the status and the body of the answer."""
    context = create_aws_request_context("dynamodb", operation, parameters=request)
    answer = service.skeleton.invoke(context)
    return answer.status_code, parse_response(context.operation, context.protocol, answer)


def key(id: str) -> dict:
    return {"id": {"S": id}}


class AtTheSameTime(unittest.TestCase):
    def setUp(self) -> None:
        schema = {
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        }
        self.done("CreateTable", TableName="t", **schema)
        self.addCleanup(call, "DeleteTable", TableName="t")

    def done(self, operation: str, **request: object) -> dict:
        status, body = call(operation, **request)
        self.assertEqual(status, 200, body)
        return body

    def put(self, id: str, **attributes: str) -> None:
        item = key(id) | {name: {"S": value} for name, value in attributes.items()}
        self.done("PutItem", TableName="t", Item=item)

    def item(self, id: str) -> dict[str, str]:
        item = self.done("GetItem", TableName="t", Key=key(id)).get("Item", {})
        return {name: value["S"] for name, value in item.items() if name != "id"}

    def both(self, operation: str, requests: list[dict]) -> list[int]:
        """The statuses of two requests that are made at the same time."""
        with ThreadPoolExecutor(2) as callers:
            return [status for status, _ in callers.map(lambda request: call(operation, **request), requests)]

    @contextmanager
    def meeting(self, where: object, function: str) -> Iterator[None]:
        """Lets a request wait behind this function of moto's until another request has come there,
        too."""
        moto_does, met = getattr(where, function), threading.Barrier(2)

        def wait_for_the_other(*arguments: object, **more: object) -> object:
            result = moto_does(*arguments, **more)
            try:
                met.wait(PATIENCE_SECONDS)
            except threading.BrokenBarrierError:
                pass
            return result

        with patch.object(where, function, wait_for_the_other):
            yield

    @contextmanager
    def meanwhile(self, place: str, request: Callable[[], object]) -> Iterator[list]:
        """Makes another request when a request looks for the item of this id. Yields a list that
        has the other request's answer in the end."""
        moto_looks, answers, makers = Table.get_item, [], []

        def make() -> None:
            answers.append(request())

        def look(table: Table, hash_key: object, *more: object) -> object:
            if hash_key.value == place and not makers:
                makers.append(threading.Thread(target=make))
                makers[0].start()
                makers[0].join(PATIENCE_SECONDS)
            return moto_looks(table, hash_key, *more)

        with patch.object(Table, "get_item", look):
            yield answers
            makers[0].join()

    def test_of_two_puts_on_condition_that_there_is_nothing_one_is_done(self) -> None:
        request = {"TableName": "t", "ConditionExpression": "attribute_not_exists(id)"}
        with self.meeting(Table, "get_item"):
            statuses = self.both("PutItem", [request | {"Item": key("a") | {"by": {"S": by}}} for by in "12"])
        self.assertEqual(sorted(statuses), [200, 400])
        self.assertEqual(self.item("a"), {"by": "12"[statuses.index(200)]})

    def test_of_two_puts_over_the_same_item_one_is_done(self) -> None:
        self.put("a", version="1")
        request = {
            "TableName": "t",
            "ConditionExpression": "version = :old",
            "ExpressionAttributeValues": {":old": {"S": "1"}},
        }
        with self.meeting(Table, "get_item"):
            statuses = self.both("PutItem", [request | {"Item": key("a") | {"version": {"S": new}}} for new in "23"])
        self.assertEqual(sorted(statuses), [200, 400])
        self.assertEqual(self.item("a"), {"version": "23"[statuses.index(200)]})

    def test_of_two_updates_of_what_both_have_read_one_is_done(self) -> None:
        self.put("a", version="1")
        values = {":old": {"S": "1"}, ":new": {"S": "2"}}
        request = {
            "TableName": "t",
            "Key": key("a"),
            "UpdateExpression": "SET version = :new, taken_by = :by",
            "ConditionExpression": "version = :old",
        }
        requests = [request | {"ExpressionAttributeValues": values | {":by": {"S": by}}} for by in "12"]
        # The requests meet behind the condition and before the change.
        with self.meeting(moto.dynamodb.models, "UpdateExpressionValidator"):
            statuses = self.both("UpdateItem", requests)
        self.assertEqual(sorted(statuses), [200, 400])
        self.assertEqual(self.item("a"), {"version": "2", "taken_by": "12"[statuses.index(200)]})

    def test_of_two_deletes_on_condition_that_there_is_something_one_is_done(self) -> None:
        self.put("a")
        request = {"TableName": "t", "Key": key("a"), "ConditionExpression": "attribute_exists(id)"}
        with self.meeting(Table, "get_item"):
            statuses = self.both("DeleteItem", [request] * 2)
        self.assertEqual(sorted(statuses), [200, 400])

    def test_of_two_transactions_that_put_the_same_items_one_is_done_as_a_whole(self) -> None:
        def request(by: str) -> dict:
            put = lambda id: {
                "TableName": "t",
                "Item": key(id) | {"by": {"S": by}},
                "ConditionExpression": "attribute_not_exists(id)",
            }
            return {"TransactItems": [{"Put": put("a")}, {"Put": put("b")}]}

        with self.meeting(Table, "get_item"):
            statuses = self.both("TransactWriteItems", [request("1"), request("2")])
        self.assertEqual(sorted(statuses), [200, 400])
        winner = {"by": "12"[statuses.index(200)]}
        self.assertEqual([self.item("a"), self.item("b")], [winner, winner])

    def test_a_put_beside_a_batch_is_not_lost(self) -> None:
        pairs = {
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "place", "KeyType": "RANGE"}],
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("id", "place")],
            "BillingMode": "PAY_PER_REQUEST",
        }
        self.done("CreateTable", TableName="pairs", **pairs)
        self.addCleanup(call, "DeleteTable", TableName="pairs")
        put = lambda place: {"PutRequest": {"Item": key("a") | {"place": {"S": place}}}}
        # Here moto begins the list of a partition key's items. Without turns the second request
        # would begin the list again.
        made = moto.dynamodb.models.dynamodb_backends["123456789012"]["us-east-1"].tables["pairs"].items
        begin = made.default_factory
        met = threading.Barrier(2)

        def wait_for_the_other() -> dict:
            try:
                met.wait(PATIENCE_SECONDS)
            except threading.BrokenBarrierError:
                pass
            return begin()

        made.default_factory = wait_for_the_other
        requests = [{"RequestItems": {"pairs": [put(place)]}} for place in "12"]
        self.assertEqual(self.both("BatchWriteItem", requests), [200, 200])
        self.assertEqual(self.done("Scan", TableName="pairs")["Count"], 2)

    def test_of_two_statements_that_change_one_item_none_is_lost(self) -> None:
        self.put("a", one="0", two="0")
        statements = [{"Statement": f"UPDATE t SET {name} = '1' WHERE id = 'a'"} for name in ("one", "two")]
        with self.meeting(partiql, "query"):
            self.assertEqual(self.both("ExecuteStatement", statements), [200, 200])
        self.assertEqual(self.item("a"), {"one": "1", "two": "1"})

    def cancelled(self) -> tuple[int, dict]:
        """The answer to a transaction that puts `a`, and is cancelled because there is no `b`."""
        put = {"TableName": "t", "Item": key("a")}
        check = {"TableName": "t", "Key": key("b"), "ConditionExpression": "attribute_exists(id)"}
        return call("TransactWriteItems", TransactItems=[{"Put": put}, {"ConditionCheck": check}])

    def test_a_transaction_that_is_cancelled_undoes_nothing_of_others(self) -> None:
        with self.meanwhile("b", lambda: self.put("c", said="mine")):
            status, _ = self.cancelled()
        self.assertEqual((status, self.item("c")), (400, {"said": "mine"}))

    def test_nobody_reads_what_a_transaction_writes_that_is_cancelled(self) -> None:
        with self.meanwhile("b", lambda: self.done("GetItem", TableName="t", Key=key("a"))) as read:
            status, _ = self.cancelled()
        self.assertEqual(status, 400)
        self.assertNotIn("Item", read[0])

    def test_who_reads_items_as_a_transaction_reads_all_before_or_all_behind_another(self) -> None:
        put = lambda id: {"Put": {"TableName": "t", "Item": key(id)}}
        write = lambda: self.done("TransactWriteItems", TransactItems=[put("a"), put("b")])
        get = lambda id: {"Get": {"TableName": "t", "Key": key(id)}}
        with self.meanwhile("b", write):
            read = self.done("TransactGetItems", TransactItems=[get("a"), get("b")])
        self.assertEqual([bool(answer.get("Item")) for answer in read["Responses"]], [False, False])

    def test_no_two_requests_are_at_moto_at_once_whatever_they_ask_for(self) -> None:
        class AtMoto(Exception):
            pass

        inside, most = [], []

        def be_at_moto(context: object) -> None:
            inside.append(context)
            most.append(len(inside))
            time.sleep(0.002)
            inside.remove(context)
            raise AtMoto

        def make(request: tuple[Skeleton, str]) -> None:
            skeleton, operation = request
            given = skeleton.service.operation_model(operation).input_shape
            with self.assertRaises(AtMoto):
                skeleton.dispatch_table[operation](MagicMock(), dict.fromkeys(given.required_members if given else []))

        apis = [service.skeleton, streams.skeleton]
        requests = [(skeleton, operation) for skeleton in apis for operation in skeleton.service.operation_names]
        with patch.object(moto_dynamodb, "dispatch_to_moto", be_at_moto), ThreadPoolExecutor(len(requests)) as callers:
            list(callers.map(make, requests))
        self.assertEqual((len(most), max(most)), (len(requests), 1))

    def test_a_request_that_fails_at_moto_does_not_keep_the_turn(self) -> None:
        with patch.object(Table, "get_item", side_effect=ZeroDivisionError), self.assertRaises(ZeroDivisionError):
            call("GetItem", TableName="t", Key=key("a"))
        self.assertEqual(self.item("a"), {})


if __name__ == "__main__":
    unittest.main()
