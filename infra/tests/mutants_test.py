#!/usr/bin/env python3
"""Tests infra/bin/test-mutants with a small configuration that needs no provider."""

import contextlib
import importlib.machinery
import importlib.util
import io
import pathlib
import sys
import tempfile
import unittest

INFRA = pathlib.Path(__file__).resolve().parent.parent

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("test_mutants", str(INFRA / "bin" / "test-mutants"))
mutants = importlib.util.module_from_spec(importlib.util.spec_from_loader("test_mutants", loader))
loader.exec_module(mutants)

MODULE = """\
variable "hours" {
  type    = number
  default = 24
}

resource "terraform_data" "stream" {
  input = { name = "intents", hours = var.hours }
}
"""

TESTS = """\
run "the_stream_has_its_name" {
  command = plan

  assert {
    condition     = terraform_data.stream.input.name == "intents"
    error_message = "The name is wrong."
  }
}

run "the_stream_keeps_a_day" {
  command = plan

  assert {
    condition     = terraform_data.stream.input.hours == 24
    error_message = "The retention is wrong."
  }
}
"""

NAME = """
[[mistake]]
name = "renamed"
kind = "names"
effect = "nothing is found"
file = "modules/orders/main.tf"
find = '"intents"'
replace = '"facts"'
caught_by = "tests/stream.tftest.hcl"
"""


class Mutants(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.infra = pathlib.Path(folder.name) / "infra"
        self.write("modules/orders/main.tf", MODULE)
        self.write("modules/orders/tests/stream.tftest.hcl", TESTS)
        self.write("main.tf", 'module "orders" {\n  source = "./modules/orders"\n}\n')

    def write(self, path, text):
        file = self.infra / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run_list(self, text, *arguments):
        """The exit code, and all that was said."""
        self.write("tests/mutants.toml", text)
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            return mutants.main(list(arguments), self.infra, said), said.getvalue()

    def test_a_mistake_is_caught_and_the_failing_run_and_assertion_are_named(self):
        code, said = self.run_list(NAME)
        self.assertEqual(code, 0, said)
        self.assertIn("caught   renamed: tests/stream.tftest.hcl: the_stream_has_its_name (The name is wrong.)\n", said)
        self.assertIn(": 1 caught, 0 known to escape, 0 wrong", said)

    def test_the_configuration_itself_is_left_alone(self):
        before = {path: path.read_bytes() for path in self.infra.rglob("*") if path.is_file()}
        self.run_list(NAME)
        after = {path: path.read_bytes() for path in self.infra.rglob("*") if path.is_file()}
        after.pop(self.infra / "tests/mutants.toml")
        self.assertEqual(after, before)

    def test_a_mistake_that_no_test_catches_fails_the_command(self):
        code, said = self.run_list(NAME + 'run = "the_stream_keeps_a_day"\n')
        self.assertEqual(code, 1)
        self.assertIn("ESCAPED  renamed: nothing is found", said)

    def test_a_known_escape_is_said_and_does_not_fail_the_command(self):
        code, said = self.run_list(NAME + 'run = "the_stream_keeps_a_day"\nescapes = "no test reads it"\n')
        self.assertEqual(code, 0, said)
        self.assertIn("escapes  renamed: no test reads it", said)
        self.assertIn("0 caught, 1 known to escape", said)

    def test_a_known_escape_that_is_caught_fails_the_command(self):
        code, said = self.run_list(NAME + 'escapes = "no test reads it"\n')
        self.assertEqual(code, 1)
        self.assertIn("CAUGHT   renamed, which the list calls an escape", said)

    def test_without_a_stage_every_quick_test_file_runs(self):
        code, said = self.run_list(NAME.replace('caught_by = "tests/stream.tftest.hcl"\n', ""))
        self.assertEqual(code, 0, said)
        self.assertIn("caught   renamed: tests/stream.tftest.hcl", said)

    def test_new_text_at_the_end_can_be_the_mistake(self):
        code, said = self.run_list(
            NAME.replace("find = '\"intents\"'\nreplace = '\"facts\"'", "append = 'output \"x\" { value = var.nothing }'")
            .replace("tests/stream.tftest.hcl", "validate"))
        self.assertEqual(code, 0, said)
        self.assertIn("caught   renamed: validate: Reference to undeclared input variable", said)

    def test_a_text_that_is_not_there_once_is_an_error_that_names_the_mistake(self):
        for find, times in (("'\"facts\"'", 0), ("'hours'", 3)):
            code, said = self.run_list(NAME.replace("find = '\"intents\"'", f"find = {find}"))
            self.assertEqual(code, 1)
            self.assertIn(f"renamed: the text to find is {times} times in modules/orders/main.tf", said)

    def test_a_mistake_that_breaks_the_configuration_is_not_called_caught_by_a_test(self):
        code, said = self.run_list(NAME.replace("replace = '\"facts\"'", "replace = 'var.nothing'"))
        self.assertEqual(code, 1)
        self.assertIn("ERROR    renamed: tests/stream.tftest.hcl did not run", said)

    def test_a_stage_that_is_red_without_a_mistake_proves_nothing(self):
        self.write("modules/orders/main.tf", MODULE.replace("24", "48"))
        code, said = self.run_list(NAME)
        self.assertEqual(code, 1)
        self.assertIn("tests/stream.tftest.hcl is red without a mistake: the_stream_keeps_a_day", said)

    def test_a_run_that_there_is_not_is_an_error(self):
        code, said = self.run_list(NAME + 'run = "the_stream_sings"\n')
        self.assertEqual(code, 1)
        self.assertIn("there is no run the_stream_sings", said)

    def test_only_the_named_mistakes_are_planted(self):
        other = NAME.replace('"renamed"', '"again"')
        code, said = self.run_list(NAME + other, "--only", "again")
        self.assertEqual(code, 0, said)
        self.assertNotIn("renamed", said)
        code, said = self.run_list(NAME, "--only", "nothing")
        self.assertEqual(code, 1)
        self.assertIn("there is no mistake nothing", said)

    def test_the_golden_file_that_differs_and_its_first_difference_are_named(self):
        self.write("modules/orders/tests/golden/source.txt", MODULE)
        self.write("tests/golden.py", """\
import difflib, pathlib, sys
old = pathlib.Path("modules/orders/tests/golden/source.txt").read_text()
new = pathlib.Path("modules/orders/main.tf").read_text()
sys.stderr.writelines(difflib.unified_diff(old.splitlines(True), new.splitlines(True), "golden/source.txt"))
sys.exit(old != new or sys.argv[1:] != ["source"])
""")
        golden = NAME.replace("tests/stream.tftest.hcl", "golden")
        code, said = self.run_list(golden + 'run = "source"\n')
        self.assertEqual(code, 0, said)
        self.assertIn('caught   renamed: golden: source.txt (- input = { name = "intents", hours = var.hours })', said)

    def test_the_list_is_printed_without_a_run(self):
        code, said = self.run_list(NAME, "--list")
        self.assertEqual((code, said), (0, "names\trenamed\ttests/stream.tftest.hcl\tnothing is found\n"))

    def test_a_list_with_a_mistyped_field_a_double_name_or_an_unknown_stage_is_refused(self):
        for text, reason in (
            (NAME + 'caugt_by = "graph"\n', "there is no field caugt_by"),
            (NAME + NAME, "two mistakes have this name"),
            (NAME.replace("tests/stream.tftest.hcl", "luck"), "there is no stage luck"),
            (NAME.replace("replace = '\"facts\"'\n", ""), "give find and replace, or append"),
        ):
            code, said = self.run_list(text)
            self.assertEqual(code, 1)
            self.assertIn(reason, said)


class Shipped(unittest.TestCase):
    def test_each_text_of_the_shipped_list_can_be_planted(self):
        for mistake in mutants.read_list(INFRA / "tests/mutants.toml"):
            with self.subTest(mistake.name):
                mistake.planted((INFRA / mistake.file).read_text())

    def test_each_run_of_the_shipped_list_exists(self):
        for mistake in mutants.read_list(INFRA / "tests/mutants.toml"):
            for stage in mistake.stages:
                if mistake.run and stage.startswith("tests/"):
                    with self.subTest(mistake.name):
                        mutants.only_runs((INFRA / mutants.MODULE / stage).read_text(), [mistake.run])


if __name__ == "__main__":
    unittest.main()
