#!/usr/bin/env python3
"""Tests what infra/bin/put-back reads, puts and says. A program that keeps one shard is in the
place of the AWS CLI."""

import base64
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

PUT_BACK = Path(__file__).resolve().parent.parent / "bin/put-back"
STREAM = "arn:aws:kinesis:eu-west-1:111122223333:stream/orders-intents"
SHARD = "shardId-000000000003"
# The first number of the range. The range crosses 100,000, so texts have another sequence than
# numbers.
FIRST = 99_998

# The program under test leaves nothing compiled beside it.
sys.dont_write_bytecode = True
PROGRAM = SourceFileLoader("put_back", str(PUT_BACK))
put_back = module_from_spec(spec_from_loader("put_back", PROGRAM))
sys.modules["put_back"] = put_back
PROGRAM.exec_module(put_back)

# The errors that the functions wait for, each with the service that answers it.
FUNCTIONS_ERRORS = PUT_BACK.parents[2] / "crates/function-runtime/src/passing_errors.json"
# The CLI's words for an answer that has not come, or that is not AWS's.
URL = "https://kinesis.eu-west-1.amazonaws.com/"
NO_ANSWER = (
    f'Could not connect to the endpoint URL: "{URL}"',
    f'Connect timeout on endpoint URL: "{URL}"',
    f'Read timeout on endpoint URL: "{URL}"',
    f'Connection was closed before we received a valid response from endpoint URL: "{URL}".',
    'Failed to connect to proxy URL: "http://proxy:3128"',
    "An HTTP Client failed to establish a connection: [Errno 104] Connection reset by peer",
    "An error occurred while reading from response stream: IncompleteRead(0 bytes read)",
)
NOT_PASSING = (
    "Unable to locate credentials. You can configure credentials by running \"aws login\".",
    f"SSL validation failed for {URL} [SSL: CERTIFICATE_VERIFY_FAILED]",
    "An error occurred (ValidationException) when calling the PutRecord operation: Could not connect to the endpoint URL",
)

# A CLI that keeps the shard in shard.json, with every call's arguments. `faults` has for a command
# the faults of its next calls, where null is a call without a fault.
FAKE = r"""
import json, os, pathlib, signal, sys, time
here = pathlib.Path(__file__).parent
shard = json.loads((here / "shard.json").read_text())
arguments = sys.argv[1:]
shard["calls"].append(arguments)

def end(answer=None, error=None):
    (here / "shard.json").write_text(json.dumps(shard))
    if error:
        print(f"\naws: [ERROR]: {error}", file=sys.stderr)
        sys.exit(254)
    if answer is not None:
        print(answer)
    sys.exit(0)

def value(option):
    return arguments[arguments.index(option) + 1]

if arguments == ["--version"]:
    end(shard["version"])
command = arguments[1]
faults = shard["faults"].get(command) or [None]
fault = faults.pop(0)
interruptions = {"interrupt": signal.SIGINT, "hang-up": signal.SIGHUP, "terminate": signal.SIGTERM}
if fault in interruptions:
    if command == "put-record":
        shard["files"].append(value("--cli-input-json")[len("file://"):])
    (here / "shard.json").write_text(json.dumps(shard))
    os.kill(os.getppid(), interruptions[fault])
    time.sleep(10)
if fault == "hang-up, and nobody minds":
    os.kill(os.getppid(), signal.SIGHUP)
    fault = None
if fault == "vanish":
    (here / "aws").unlink()
    fault = "InternalFailure"
if fault in shard["sentences"]:
    end(error=fault)
if fault:
    given = pathlib.Path(value("--cli-input-json")[len("file://"):]).read_text() if command == "put-record" else ""
    end(error=f"An error occurred ({fault}) when calling the operation (reached max retries: 2): refused {given}")
if arguments[:2] == ["s3", "cp"]:
    end(shard["objects"][arguments[2]])
assert value("--region") == "eu-west-1" and value("--output") == "json" and value("--cli-binary-format") == "base64"
if command == "get-shard-iterator":
    assert value("--stream-arn") == shard["stream"] and value("--shard-id") == shard["id"], arguments
    kind = value("--shard-iterator-type")
    if kind == "TRIM_HORIZON":
        end(json.dumps({"ShardIterator": "0"}))
    at = int(value("--starting-sequence-number"))
    if at < int(shard["records"][0]["SequenceNumber"]) and shard.get("forgotten") == "refused":
        end(error="An error occurred (InvalidArgumentException) when calling the GetShardIterator operation: StartingSequenceNumber")
    end(json.dumps({"ShardIterator": str(at + {"AT_SEQUENCE_NUMBER": 0, "AFTER_SEQUENCE_NUMBER": 1}[kind])}))
if command == "get-records":
    shard["records"] += shard.pop("meanwhile", [])
    at = int(value("--shard-iterator"))
    if shard.get("still") or (0 < at < int(shard["records"][0]["SequenceNumber"]) and shard.get("forgotten") == "empty"):
        end(json.dumps({"Records": [], "MillisBehindLatest": 86400000, "NextShardIterator": str(at)}))
    behind = [record for record in shard["records"] if int(record["SequenceNumber"]) >= at]
    page = behind[: min(shard["page"], int(value("--limit")))]
    # Kinesis may give empty pages before the end.
    empty = shard.get("empty_pages", 0)
    if empty:
        shard["empty_pages"] = empty - 1
        page = []
    answer = {"Records": page, "MillisBehindLatest": 0 if len(page) == len(behind) else 1000 * (1 + empty)}
    if not (shard.get("closed") and len(page) == len(behind)):
        answer["NextShardIterator"] = str(int(page[-1]["SequenceNumber"]) + 1 if page else at)
    end(json.dumps(answer))
if command == "put-record":
    assert value("--cli-input-json").startswith("file:///")
    file = pathlib.Path(value("--cli-input-json")[len("file://"):])
    assert file.stat().st_mode & 0o077 == 0
    shard["files"].append(str(file))
    # Version 2 of the CLI reads the file twice.
    given = file.read_text() and json.loads(file.read_text())
    assert given["StreamARN"] == shard["stream"]
    number = str(int(shard["records"][-1]["SequenceNumber"]) + 1)
    shard["records"].append({"SequenceNumber": number, "PartitionKey": given["PartitionKey"], "Data": given["Data"]})
    end(json.dumps({"ShardId": shard["id"], "SequenceNumber": number}))
raise SystemExit(f"no such command: {arguments}")
"""

# The program does not sleep in its pauses, which are noted.
NO_SLEEP = """
import os, time
def sleep(seconds):
    with open(os.path.join(os.path.dirname(__file__), "slept"), "a") as slept:
        slept.write(f"{seconds}\\n")
time.sleep = sleep
"""


def record(number: int) -> dict[str, str]:
    data = base64.b64encode(f"an order of customer {number}".encode()).decode()
    return {"SequenceNumber": str(number), "PartitionKey": f"key-of-{number}", "Data": data}


def heed_interruptions() -> None:
    """Sets both signals back. A shell ignores an interrupt for a background process, and nohup
    ignores a hang-up, and a child process inherits both."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class PutBack(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "aws.py").write_text(FAKE)
        fake = self.folder / "aws"
        fake.write_text(f'#!/bin/sh\nexec "{sys.executable}" -E -S "{self.folder}/aws.py" "$@"\n')
        fake.chmod(0o755)
        (self.folder / "sitecustomize.py").write_text(NO_SLEEP)
        # The shard has two records before the range and two behind it.
        self.shard(records=[record(number) for number in range(FIRST - 2, FIRST + 8)])

    def shard(self, **changes: object) -> None:
        """Changes the shard."""
        path = self.folder / "shard.json"
        shard = json.loads(path.read_text()) if path.exists() else {
            "version": "aws-cli/2.17.1 Python/3.11.8 Linux/6.1 exe/x86_64.debian.12",
            "stream": STREAM, "id": SHARD, "records": [], "page": 2, "faults": {}, "objects": {}, "calls": [], "files": [],
            "sentences": [*NO_ANSWER, *NOT_PASSING],
        }
        path.write_text(json.dumps(shard | changes))

    def now(self, what: str = "records") -> list:
        return json.loads((self.folder / "shard.json").read_text())[what]

    def put(self) -> list[tuple[str, str]]:
        """Key and data of the records that were put."""
        return [(record["PartitionKey"], record["Data"]) for record in self.now() if int(record["SequenceNumber"]) > FIRST + 7]

    def records(self, first: int, last: int) -> list[tuple[str, str]]:
        return [(entry["PartitionKey"], entry["Data"]) for entry in map(record, range(first, last + 1))]

    def report(self, first: int = FIRST, last: int = FIRST + 5, **more: object) -> dict[str, object]:
        """A report as a queue gets it (Lambda developer guide, "Retain discarded batch records for
        a Kinesis Data Streams event source")."""
        more = {"batchSize": last - first + 1, "streamArn": STREAM} | more
        payload = {"payload": more.pop("payload")} if "payload" in more else {}
        return {
            "requestContext": {"condition": "RetryAttemptsExhausted", "approximateInvokeCount": 4},
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": None},
            "version": "1.0",
            "timestamp": "2025-11-25T19:03:18.000Z",
            "KinesisBatchInfo": {
                "shardId": SHARD,
                "startSequenceNumber": str(first),
                "endSequenceNumber": str(last),
                "approximateArrivalOfFirstRecord": "2025-11-25T19:03:18.000Z",
                "approximateArrivalOfLastRecord": "2025-11-25T19:03:18.000Z",
                **more,
            },
        } | payload

    def event(self, first: int, last: int, **other: object) -> dict[str, object]:
        names = {"SequenceNumber": "sequenceNumber", "PartitionKey": "partitionKey", "Data": "data"}
        records = map(record, range(first, last + 1))
        kinesis = [{names[name]: value for name, value in entry.items()} | other for entry in records]
        return {"Records": [{"eventSource": "aws:kinesis", "kinesis": entry} for entry in kinesis]}

    def put_back(
        self, *arguments: str, given: object = None, status: int = 0, path: str | None = None, before: tuple[str, ...] = ()
    ) -> str:
        """Runs the program, and returns its output. Checks that neither content nor key of a record
        is in the output or in the list of processes, and that no file is left behind."""
        run = subprocess.run(
            [*before, sys.executable, str(PUT_BACK), *(arguments or ["-"])],
            input=given if isinstance(given, str) else json.dumps(given),
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": path or f"{self.folder}:/usr/bin:/bin", "PYTHONPATH": str(self.folder)},
            preexec_fn=heed_interruptions,
        )
        said = run.stdout + run.stderr
        self.assertEqual(run.returncode, status, said)
        self.assertNotIn("Traceback", said)
        shown = said + json.dumps(self.now("calls"))
        for entry in self.now():
            self.assertNotIn(entry["PartitionKey"], shown)
            self.assertNotIn(entry["Data"], shown)
        self.assertNotIn("customer", shown)
        self.assertEqual([file for file in self.now("files") if Path(file).exists()], [])
        return said

    def calls(self, command: str) -> list[list[str]]:
        return [call for call in self.now("calls") if command in call]

    def test_the_range_is_put_in_its_order_and_nothing_else(self) -> None:
        said = self.put_back(given=self.report())
        self.assertEqual(self.put(), self.records(FIRST, FIRST + 5))
        self.assertIn(f"6 records of orders-intents, {SHARD}, from {FIRST} to {FIRST + 5}", said)
        self.assertIn(f"2 of 6: {FIRST + 1} was put as {FIRST + 9}", said)
        self.assertTrue(said.endswith("All 6 records were put back. Now delete the report, or the reports.\n"), said)

    def test_all_is_read_before_the_first_is_put(self) -> None:
        self.put_back(given=self.report())
        commands = [call[1] for call in self.now("calls") if call[0] == "kinesis"]
        self.assertEqual(commands, ["get-shard-iterator", *["get-records"] * 3, *["put-record"] * 6])

    def test_what_receive_message_prints_is_as_many_reports_as_it_has(self) -> None:
        bodies = [json.dumps(self.report(FIRST, FIRST)), json.dumps(self.report(FIRST + 4, FIRST + 5))]
        received = {"Messages": [{"MessageId": "m", "ReceiptHandle": "h", "Body": body} for body in bodies]}
        file = self.folder / "reports.json"
        file.write_text(json.dumps(received))
        said = self.put_back(str(file))
        self.assertEqual(self.put(), self.records(FIRST, FIRST) + self.records(FIRST + 4, FIRST + 5))
        self.assertIn("All 3 records were put back.", said)

    def test_a_consumer_with_enhanced_fan_out_is_one_of_the_stream(self) -> None:
        self.put_back(given=self.report(streamArn=f"{STREAM}/consumer/orders:1700000000"))
        self.assertEqual(len(self.put()), 6)

    def test_a_range_with_more_records_than_the_report_counts_is_put_as_a_whole(self) -> None:
        self.put_back(given=self.report(batchSize=2))
        self.assertEqual(self.put(), self.records(FIRST, FIRST + 5))

    def test_a_throttled_read_is_repeated(self) -> None:
        throttled = "ProvisionedThroughputExceededException"
        self.shard(faults={"get-records": [None, throttled, throttled], "get-shard-iterator": [throttled]})
        self.put_back(given=self.report())
        self.assertEqual(self.put(), self.records(FIRST, FIRST + 5))

    def test_a_read_that_is_throttled_for_good_puts_nothing_and_says_so(self) -> None:
        self.shard(faults={"get-records": [None] + ["ProvisionedThroughputExceededException"] * 100})
        said = self.put_back(given=self.report(), status=1)
        self.assertEqual(self.put(), [])
        self.assertIn("the stream cannot be read; nothing was put", said)
        self.assertIn("ProvisionedThroughputExceededException", said.splitlines()[-1])
        slept = sum(map(float, (self.folder / "slept").read_text().split()))
        self.assertTrue(60 < slept < 120, slept)

    def test_an_expired_iterator_is_replaced_by_one_behind_the_last_record_read(self) -> None:
        self.shard(faults={"get-records": [None, "ExpiredIteratorException", None, "ExpiredIteratorException"]})
        self.put_back(given=self.report())
        self.assertEqual(self.put(), self.records(FIRST, FIRST + 5))
        [_, second, third] = self.calls("get-shard-iterator")
        self.assertIn("AFTER_SEQUENCE_NUMBER", second)
        self.assertEqual([second[-1], third[-1]], [str(FIRST + 1), str(FIRST + 3)])

    def test_an_iterator_that_is_expired_when_it_is_new_is_not_asked_for_again_and_again(self) -> None:
        self.shard(faults={"get-records": ["ExpiredIteratorException"] * 100})
        self.assertIn("ExpiredIteratorException", self.put_back(given=self.report(), status=1))

    def test_an_empty_page_is_not_the_end(self) -> None:
        self.shard(empty_pages=1)
        self.put_back(given=self.report())
        self.assertEqual(self.put(), self.records(FIRST, FIRST + 5))

    def test_a_long_way_without_records_is_gone_to_its_end_and_shown(self) -> None:
        self.shard(empty_pages=70)
        said = self.put_back(given=self.report())
        self.assertEqual(self.put(), self.records(FIRST, FIRST + 5))
        self.assertIn(f"-: {SHARD}: 20 pages read, 0 records of the range, 52 s behind the end", said)
        self.assertEqual(said.count("pages read"), 3)

    def test_the_oldest_records_are_found_whatever_kinesis_makes_of_a_place_that_it_has_forgotten(self) -> None:
        self.shard(records=self.now()[4:])
        for forgotten in ("refused", "empty"):
            with self.subTest(forgotten):
                self.shard(forgotten=forgotten)
                before = len(self.put())
                said = self.put_back(given=self.report(), status=1)
                self.assertIn(f"(not {FIRST}): 4 records are left of 6 or more. Nothing was put.", said)
                self.put_back("--what-is-left", "-", given=self.report())
                self.assertEqual(self.put()[before:], self.records(FIRST + 2, FIRST + 5))

    def test_what_comes_before_the_range_is_not_put_when_it_is_read_from_the_oldest_record(self) -> None:
        self.shard(faults={"get-shard-iterator": ["InvalidArgumentException"]})
        self.put_back(given=self.report())
        self.assertEqual(self.put(), self.records(FIRST, FIRST + 5))

    def test_a_stream_that_gives_nothing_and_comes_no_nearer_to_its_end_is_said_to_be_unreadable(self) -> None:
        self.shard(still=True)
        said = self.put_back(given=self.report(), status=1)
        self.assertIn("the stream cannot be read; nothing was put: empty pages only, 86400 s behind the end", said)
        self.assertLess(len(self.calls("get-records")), 100)

    def test_what_is_put_meanwhile_is_left_alone(self) -> None:
        self.shard(records=self.now()[:8], meanwhile=[record(FIRST + 6), record(FIRST + 7)])
        self.put_back(given=self.report())
        self.assertEqual(self.put(), self.records(FIRST, FIRST + 5))

    def test_an_end_that_the_shard_does_not_have_is_said_and_nothing_is_put(self) -> None:
        for closed in (False, True):
            with self.subTest(closed=closed):
                self.shard(closed=closed)
                said = self.put_back(given=self.report(last=FIRST + 20, batchSize=6), status=1)
                self.assertIn(f"(not {FIRST + 20}): 8 records are left of 6 or more. Nothing was put.", said)
                self.assertEqual(self.put(), [])

    def test_what_the_stream_has_forgotten_is_said_and_nothing_is_put(self) -> None:
        self.shard(records=self.now()[4:])
        said = self.put_back(given=self.report(), status=1)
        self.assertIn(f"(not {FIRST}): 4 records are left of 6 or more. Nothing was put.", said)
        self.assertEqual(self.put(), [])

    def test_what_is_left_is_put_if_that_is_asked_for(self) -> None:
        self.shard(records=self.now()[4:])
        said = self.put_back("--what-is-left", "-", given=self.report())
        self.assertEqual(self.put(), self.records(FIRST + 2, FIRST + 5))
        self.assertIn("All 4 records that are left were put back.", said)
        self.assertNotIn("delete", said)

    def test_a_shard_that_is_gone_does_not_keep_what_is_left_elsewhere(self) -> None:
        gone = {"get-shard-iterator": ["ResourceNotFoundException"]}
        self.shard(faults=gone)
        bodies = [json.dumps(self.report()), json.dumps(self.report(FIRST + 4, FIRST + 5))]
        received = {"Messages": [{"Body": body} for body in bodies]}
        said = self.put_back(given=received, status=1)
        self.assertIn("-, message 1: the stream cannot be read; nothing was put", said)
        self.shard(faults=gone)
        self.put_back("--what-is-left", "-", given=received)
        self.assertEqual(self.put(), self.records(FIRST + 4, FIRST + 5))

    def test_nothing_that_is_left_is_no_success(self) -> None:
        self.shard(records=self.now()[8:])
        said = self.put_back("--what-is-left", "-", given=self.report(), status=1)
        self.assertIn("there is nothing to put back", said)
        self.assertEqual(self.put(), [])

    def test_fewer_records_than_the_report_counts_are_not_taken_for_all(self) -> None:
        said = self.put_back(given=self.report(batchSize=7), status=1)
        self.assertIn("6 records are left of 7 or more", said)

    def test_a_throttled_put_is_repeated(self) -> None:
        throttled = "ProvisionedThroughputExceededException"
        self.shard(faults={"put-record": [None, throttled, "KMSThrottlingException", None, throttled]})
        self.put_back(given=self.report())
        self.assertEqual(self.put(), self.records(FIRST, FIRST + 5))

    def meets(self, fault: str) -> None:
        """Checks that each call meets this fault once, and is made again."""
        commands = ("get-shard-iterator", "get-records", "put-record")
        self.shard(records=[record(number) for number in range(FIRST - 2, FIRST + 8)], calls=[])
        self.shard(faults={command: [fault] for command in commands})
        said = self.put_back(given=self.report(FIRST, FIRST))
        self.assertEqual(self.put(), self.records(FIRST, FIRST))
        self.assertEqual([len(self.calls(command)) for command in commands], [2, 2, 2])
        self.assertEqual(said.count(", again in 0.5 s"), 3)

    def test_an_error_that_passes_is_waited_for(self) -> None:
        for code in sorted(put_back.PASSING_ERRORS):
            with self.subTest(code):
                self.meets(code)

    def test_an_answer_that_is_a_status_and_no_code_is_waited_for_if_it_passes(self) -> None:
        for status in ("429", "500", "502", "503", "504", "509"):
            with self.subTest(status):
                self.meets(status)

    def test_an_answer_that_does_not_come_is_waited_for(self) -> None:
        for sentence in NO_ANSWER:
            with self.subTest(sentence):
                self.meets(sentence)

    def test_what_does_not_pass_is_told_at_once(self) -> None:
        codes = ["AccessDeniedException", "KMSDisabledException", "ResourceNotFoundException", "400", "404"]
        for fault in [*codes, *NOT_PASSING]:
            with self.subTest(fault):
                self.shard(faults={"put-record": [fault]}, calls=[])
                self.assertNotIn("again in", self.put_back(given=self.report(), status=1))
                self.assertEqual(len(self.calls("put-record")), 1)

    def test_a_report_in_a_bucket_is_waited_for_as_well(self) -> None:
        name = "s3://archive/report"
        self.shard(objects={name: json.dumps(self.report())}, faults={"cp": ["SlowDown", "503"]})
        self.assertIn(f"{name}: SlowDown, again in 0.5 s", self.put_back(name))
        self.assertEqual(self.put(), self.records(FIRST, FIRST + 5))

    def test_a_put_that_fails_half_way_is_said_and_the_same_command_completes_it(self) -> None:
        self.shard(faults={"put-record": [None, None, "AccessDeniedException"]})
        said = self.put_back(given=self.report(), status=1)
        self.assertEqual(self.put(), self.records(FIRST, FIRST + 1))
        self.assertIn("AccessDeniedException", said)
        self.assertIn("2 of 6 records were put. Not put:\n", said)
        not_put = [line.split()[0] for line in said.splitlines() if line.startswith("  ")]
        self.assertEqual(not_put, [str(number) for number in range(FIRST + 2, FIRST + 6)])
        self.assertIn("give the same command again", said)
        self.assertNotIn("delete", said)
        self.put_back(given=self.report())
        self.assertEqual(self.put()[2:], self.records(FIRST, FIRST + 5))

    def test_an_interrupted_one_says_the_same(self) -> None:
        self.shard(faults={"put-record": [None, "interrupt"]})
        said = self.put_back(given=self.report(), status=1)
        self.assertIn("interrupted\n1 of 6 records were put.", said)
        self.assertIn(f"  {FIRST + 1} of {SHARD}", said)
        self.assertIn("give the same command again", said)
        self.shard(faults={"get-records": [None, "interrupt"]})
        self.assertIn("interrupted; nothing was put", self.put_back(given=self.report(), status=1))

    def test_a_closed_terminal_and_a_shutdown_are_interruptions(self) -> None:
        for fault in ("hang-up", "terminate"):
            with self.subTest(fault):
                self.shard(faults={"put-record": [None, fault]})
                said = self.put_back(given=self.report(), status=1)
                self.assertIn("interrupted\n1 of 6 records were put.", said)

    def test_nohup_is_obeyed(self) -> None:
        self.shard(faults={"put-record": [None, "hang-up, and nobody minds"]})
        self.put_back(given=self.report(), before=("nohup",))
        self.assertEqual(self.put(), self.records(FIRST, FIRST + 5))

    def test_a_cli_that_can_no_longer_be_started_is_a_put_that_failed(self) -> None:
        self.shard(faults={"put-record": [None, "vanish"]})
        said = self.put_back(given=self.report(), status=1, path=str(self.folder))
        self.assertIn("No such file", said)
        self.assertIn("1 of 6 records were put. Not put:\n", said)

    def test_an_archived_report_has_the_records_with_it(self) -> None:
        event = self.event(FIRST, FIRST + 5)
        # The stream has forgotten the records.
        self.shard(records=self.now()[8:])
        for payload in (json.dumps(event), event):
            with self.subTest(type(payload).__name__):
                before = len(self.put())
                self.shard(objects={"s3://archive/aws/lambda/m/report": json.dumps(self.report(payload=payload))})
                said = self.put_back("s3://archive/aws/lambda/m/report")
                self.assertEqual(self.put()[before:], self.records(FIRST, FIRST + 5))
                self.assertEqual(self.calls("get-records"), [])
                self.assertIn("All 6 records were put back.", said)

    def test_an_archived_report_with_fewer_records_than_it_counts_is_completed_from_the_stream(self) -> None:
        report = self.report(payload=json.dumps(self.event(FIRST + 4, FIRST + 5)))
        self.put_back(given=report)
        self.assertEqual(self.put(), self.records(FIRST, FIRST + 5))

    def test_what_is_left_in_the_archive_and_what_is_left_in_the_stream_are_put_once(self) -> None:
        self.shard(records=self.now()[5:])
        report = self.report(payload=json.dumps(self.event(FIRST + 2, FIRST + 4)))
        self.assertIn("4 records are left of 6 or more", self.put_back(given=report, status=1))
        self.put_back("--what-is-left", "-", given=report)
        self.assertEqual(self.put(), self.records(FIRST + 2, FIRST + 5))

    def test_what_is_no_report_is_refused_without_being_shown(self) -> None:
        event = self.event(FIRST, FIRST)
        event["Records"][0]["kinesis"]["data"] = "an order of customer 7"
        wrong = [
            "an order of customer 7",
            "[]",
            {"order": "of customer 7"},
            {"Messages": [{"Body": "an order of customer 7"}]},
            self.report(streamArn="arn:aws:dynamodb:eu-west-1:111122223333:table/customer"),
            self.report(payload="an order of customer 7"),
            self.report(batchSize=0),
            self.report(FIRST + 1, FIRST, batchSize=1),
            self.report(FIRST, FIRST, payload=event),
            "[" * 100_000,
            {"Messages": [{"Body": "[" * 100_000}]},
            # Numbers that may have lost digits, and texts that would be other arguments of the CLI.
            *(self.report(startSequenceNumber=number) for number in (FIRST, 9.9998e4, "1e5", "٣", "", "-1", None)),
            *(self.report(batchSize=count) for count in (6.5, "6", True, float("inf"))),
            *(self.report(shardId=shard) for shard in ("--debug", "shardId-1\n", ["shardId-1"], None)),
            *(self.report(streamArn=f"{STREAM}{rest}") for rest in ("\n", " --debug", "\ud800")),
            self.report(streamArn=STREAM.replace(":eu-west-1:", ":--debug:")),
            *(self.report(FIRST, FIRST, payload=self.event(FIRST, FIRST, partitionKey=key)) for key in ("", None, 7, "k" * 257)),
            *(self.report(FIRST, FIRST, payload=self.event(FIRST, FIRST, sequenceNumber=number)) for number in (FIRST, "-1", None)),
        ]
        for given in wrong:
            with self.subTest(given):
                said = self.put_back(given=given, status=1)
                self.assertIn("is no report of discarded records; nothing was put", said)
        self.assertEqual(self.put(), [])

    def test_a_queue_that_gave_no_message_is_no_success(self) -> None:
        self.assertIn("- is empty; nothing was put", self.put_back(given="", status=1))

    def test_a_file_that_is_missing_is_named(self) -> None:
        self.assertIn("missing.json cannot be read", self.put_back("missing.json", status=1))

    def test_version_1_of_the_cli_is_refused(self) -> None:
        self.shard(version="aws-cli/1.45.11 Python/3.11.7 Linux/6.18 botocore/1.43.11")
        said = self.put_back(given=self.report(), status=1)
        self.assertIn("needs version 2 of the AWS CLI", said)
        self.assertIn(f"{self.folder}/aws is aws-cli/1.45.11", said)
        self.assertEqual([call for call in self.now("calls") if call != ["--version"]], [])

    def test_a_missing_cli_is_a_sentence(self) -> None:
        nowhere = self.folder / "nowhere"
        nowhere.mkdir()
        said = self.put_back(given=self.report(), status=1, path=str(nowhere))
        self.assertEqual(said, "infra/bin/put-back: the AWS CLI (`aws`, version 2) is not installed, or not on the PATH\n")


class OneListOfPassingErrors(unittest.TestCase):
    """The program runs alone, so it has its own list of passing errors. The list agrees with the
    functions' list, except for two services. Only the functions call DynamoDB, and only the program
    calls S3."""

    # The codes of S3, which no function calls. The program reads reports from it (Amazon S3 API
    # reference, "Error responses").
    OF_S3 = {"ExpiredToken", "InternalError", "RequestTimeTooSkewed", "SlowDown"}

    def setUp(self) -> None:
        self.assertTrue(FUNCTIONS_ERRORS.is_file(), f"{FUNCTIONS_ERRORS} is missing: the functions' list of errors that pass")
        self.errors = json.loads(FUNCTIONS_ERRORS.read_text())["errors"]
        self.assertTrue(self.errors)

    def codes(self, *services: str) -> set[str]:
        return {error["code"] for error in self.errors if error["service"] in services}

    def test_put_back_waits_for_what_the_functions_wait_for(self) -> None:
        missing = self.codes("kinesis", "sqs", "any") - put_back.PASSING_ERRORS
        self.assertEqual(missing, set(), "infra/bin/put-back gives up at errors that the functions wait for")

    def test_the_functions_wait_for_what_put_back_waits_for(self) -> None:
        missing = put_back.PASSING_ERRORS - self.OF_S3 - self.codes("kinesis", "sqs", "any")
        self.assertEqual(missing, set(), f"not in {FUNCTIONS_ERRORS.name}")

    def test_every_error_has_a_service_a_code_and_a_page(self) -> None:
        for error in self.errors:
            with self.subTest(error):
                self.assertIn(error["service"], {"dynamodb", "kinesis", "sqs", "any"})
                self.assertTrue(error["code"])
                self.assertTrue(error["source"].startswith("https://docs.aws.amazon.com/"))


if __name__ == "__main__":
    unittest.main()
