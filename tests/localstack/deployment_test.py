#!/usr/bin/env python3
"""Tests deployment.py while AWS does not do a request at once. A mock is in the place of boto3's
clients."""

import contextlib
import io
import os
import unittest
from collections import defaultdict
from unittest.mock import MagicMock, patch

from botocore.exceptions import ClientError

import deployment
from deployment import REMOVED_NOW, Deployment, NotRemoved, sweep


def error(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


class Removing(unittest.TestCase):
    def setUp(self) -> None:
        self.aws = defaultdict(MagicMock)
        # Streams are gone as soon as they are deleted.
        self.aws["kinesis"].describe_stream_summary.side_effect = error("ResourceNotFoundException")
        self.sleeps = MagicMock()
        for patched in (
            patch("boto3.client", lambda service, **_: self.aws[service]),
            patch("time.sleep", self.sleeps),
            patch.dict(os.environ, {"AWS_ENDPOINT_URL": "http://localhost:1"}),
        ):
            patched.start()
            self.addCleanup(patched.stop)

    def test_what_cannot_be_removed_keeps_nothing_else_and_is_told(self) -> None:
        self.aws["lambda"].get_paginator.side_effect = error("ServiceException", "no mappings")
        self.aws["iam"].delete_role.side_effect = error("DeleteConflict", "a policy is left")
        with self.assertRaises(NotRemoved) as told:
            Deployment("e2e-1").remove()
        self.assertIn("no mappings", str(told.exception))
        self.assertIn("a policy is left", str(told.exception))
        self.assertEqual(self.aws["lambda"].delete_function.call_count, 4)
        self.aws["dynamodb"].delete_table.assert_any_call(TableName="e2e-1")
        self.aws["sqs"].delete_queue.assert_called_once()

    def test_what_is_not_there_is_no_failure(self) -> None:
        self.aws["dynamodb"].delete_table.side_effect = error("ResourceNotFoundException")
        self.aws["iam"].delete_role.side_effect = error("NoSuchEntity")
        self.aws["sqs"].get_queue_url.side_effect = error("AWS.SimpleQueueService.NonExistentQueue")
        Deployment("e2e-1").remove()

    def test_what_is_still_being_made_is_removed_when_it_is_made(self) -> None:
        self.aws["dynamodb"].delete_table.side_effect = [error("ResourceInUseException"), *[None] * 4]
        self.aws["lambda"].delete_function.side_effect = [error("ResourceConflictException"), *[None] * 4]
        Deployment("e2e-1").remove()
        self.assertEqual(self.aws["dynamodb"].delete_table.call_count, 5)
        self.assertEqual(self.aws["lambda"].delete_function.call_count, 5)

    def test_the_consumers_mapping_is_found_when_its_function_is_gone(self) -> None:
        arn = "arn:aws:lambda:us-east-1:000000000000:function:{}:live"
        mappings = [
            {"UUID": "other", "FunctionArn": arn.format("e2e-2-consumer")},
            {"UUID": "own", "FunctionArn": arn.format("e2e-1-consumer")},
        ]
        self.aws["lambda"].get_paginator.return_value.paginate.return_value = [{"EventSourceMappings": mappings}]
        self.aws["lambda"].get_event_source_mapping.side_effect = error("ResourceNotFoundException")
        Deployment("e2e-1").remove()
        self.aws["lambda"].delete_event_source_mapping.assert_called_once_with(UUID="own")

    def swept(self, *found: list[str]) -> tuple[int, list[str]]:
        """The exit code of a sweep that finds this, look by look, and the sweep's output."""
        said = io.StringIO()
        with patch.object(deployment, "left", side_effect=found), contextlib.redirect_stderr(said):
            return sweep("e2e"), said.getvalue().splitlines()

    def test_a_sweep_that_finds_nothing_is_content(self) -> None:
        self.assertEqual(self.swept([]), (0, []))

    def test_a_sweep_tells_what_it_has_removed(self) -> None:
        self.assertEqual(self.swept(["table e2e-0a0a0a0a"], []), (REMOVED_NOW, ["left behind: table e2e-0a0a0a0a"]))

    def test_a_name_that_cannot_be_removed_does_not_stop_a_sweep(self) -> None:
        refused = lambda TableName: (_ for _ in ()).throw(error("AccessDeniedException")) if "0a" in TableName else None
        self.aws["dynamodb"].delete_table.side_effect = refused
        tables = ["table e2e-0a0a0a0a", "table e2e-0b0b0b0b"]
        code, said = self.swept(tables, tables[:1])
        self.assertEqual((code, said[-1]), (1, "could not be removed: table e2e-0a0a0a0a"))
        asked = {call.kwargs["TableName"] for call in self.aws["dynamodb"].delete_table.call_args_list}
        self.assertLessEqual({"e2e-0a0a0a0a", "e2e-0b0b0b0b"}, asked)

    def test_on_aws_a_sweep_waits_until_what_was_deleted_is_no_longer_listed(self) -> None:
        del os.environ["AWS_ENDPOINT_URL"]
        self.assertEqual(self.swept(["queue e2e-0a0a0a0a-intents-discarded"], []), (0, []))
        self.sleeps.assert_called_once()


class Creating(unittest.TestCase):
    def test_a_role_that_the_mapping_does_not_know_yet_is_waited_for(self) -> None:
        awslambda = MagicMock()
        sentence = "Cannot access stream s. Please ensure the role can perform the GetRecords, GetShardIterator Actions on your stream in IAM."
        made = {"UUID": "u"}
        awslambda.create_event_source_mapping.side_effect = [error("InvalidParameterValueException", sentence), made]
        with patch("boto3.client", lambda service, **_: awslambda), patch("time.sleep"):
            self.assertEqual(Deployment("e2e-1").create_mapping("c", "s", "q", defaultdict(lambda: 1)), "u")


if __name__ == "__main__":
    unittest.main()
