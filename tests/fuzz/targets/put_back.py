#!/usr/bin/env python3
"""The reader of discards in infra/bin/put-back, which an operator gives the messages of the
on-failure queue. A text is a list of reports, or is refused in one sentence that repeats nothing of
it."""

import base64
import json
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import atheris

# A text of the dictionary, which stands for content.
MARK = "zq7marker"

sys.dont_write_bytecode = True
PROGRAM = SourceFileLoader("put_back", str(Path(__file__).resolve().parents[3] / "infra/bin/put-back"))
put_back = module_from_spec(spec_from_loader("put_back", PROGRAM))
sys.modules["put_back"] = put_back
with atheris.instrument_imports():
    PROGRAM.exec_module(put_back)
atheris.instrument_func(put_back.events)
atheris.instrument_func(put_back.report_in)
atheris.instrument_func(put_back.reports_of)


def read(text: str) -> "list[put_back.Report] | str":
    """The reports, or the sentence that refuses them."""
    try:
        return put_back.reports_of("FILE", text)
    except SystemExit as refusal:
        said = refusal.code
    assert isinstance(said, str) and said.startswith("infra/bin/put-back: "), said
    assert MARK not in said, said
    return said


def check(report: "put_back.Report") -> None:
    assert 0 <= report.first <= report.last and report.count >= 1
    # They become arguments of the AWS CLI, and lines on a terminal.
    for name in (report.stream, report.shard, report.region):
        assert name.isascii() and name.isprintable() and not name.startswith("-"), name
    for record in report.payload:
        assert isinstance(record.key, str) and record.key
        assert isinstance(record.number, int) and record.number >= 0
        base64.b64decode(record.data, validate=True)


def one(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return  # put-back says so when it reads the file
    reports = read(text)
    if isinstance(reports, str):
        return
    for report in reports:
        check(report)
    # The same report as a message of a queue.
    if len(reports) == 1 and not text.lstrip().startswith('{"Messages"'):
        wrapped = read(json.dumps({"Messages": [{"Body": text}]}))
        if not isinstance(wrapped, str):
            (report,) = wrapped
            assert (report.first, report.last, report.payload) == (reports[0].first, reports[0].last, reports[0].payload)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
