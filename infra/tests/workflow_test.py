#!/usr/bin/env python3
"""Checks the workflow of infra/examples/github, as far as that can be done without GitHub. It needs
PyYAML, which checkov brings."""

import pathlib
import re
import unittest

import yaml

FILE = pathlib.Path(__file__).resolve().parent.parent / "examples" / "github" / "deploy.yml"


class Workflow(unittest.TestCase):
    def setUp(self):
        self.text = FILE.read_text()
        self.workflow = yaml.safe_load(self.text)
        self.jobs = self.workflow["jobs"]
        self.steps = [step for job in self.jobs.values() for step in job["steps"]]

    def test_it_has_the_parts_of_a_workflow(self):
        # YAML 1.1 reads the key `on` as true.
        self.assertEqual(set(self.workflow), {"name", True, "permissions", "concurrency", "jobs"})
        self.assertEqual(set(self.jobs), {"plan", "apply"})
        for job in self.jobs.values():
            self.assertLessEqual({"if", "runs-on", "timeout-minutes", "environment", "permissions", "steps"}, set(job))

    def test_every_step_runs_or_uses_something(self):
        known = {"name", "if", "uses", "with", "run", "shell", "env"}
        for step in self.steps:
            self.assertEqual(("run" in step) + ("uses" in step), 1, step)
            self.assertLessEqual(set(step), known)

    def test_every_action_is_pinned(self):
        uses = [step["uses"] for step in self.steps if "uses" in step]
        self.assertGreaterEqual(len(uses), 6)
        for action in uses:
            self.assertRegex(action, r"^[\w-]+/[\w-]+@(v\d+|[0-9a-f]{40})$")

    def test_nothing_from_an_event_is_put_into_a_shell(self):
        for step in self.steps:
            self.assertNotIn("${{", step.get("run", ""))

    def test_credentials_come_by_oidc_and_are_not_kept(self):
        self.assertEqual(self.workflow["permissions"], {"contents": "read"})
        for job in self.jobs.values():
            self.assertEqual(job["permissions"]["id-token"], "write")
        self.assertNotRegex(self.text, r"(?i)secrets\.|aws_access_key|aws-access-key")

    def test_a_pull_request_plans_and_only_the_main_branch_applies(self):
        commands = {name: " ".join(step.get("run", "") for step in job["steps"]) for name, job in self.jobs.items()}
        self.assertIn("--plan-only", commands["plan"])
        self.assertNotIn("--yes", commands["plan"])
        self.assertIn("infra/bin/deploy \"$SETTING\" --yes", commands["apply"])
        self.assertIn("pull_request", self.jobs["plan"]["if"])
        self.assertEqual(self.jobs["apply"]["if"], "github.event_name == 'push'")
        self.assertEqual(self.workflow[True]["push"], {"branches": ["main"]})

    def test_every_expression_is_closed(self):
        self.assertEqual(len(re.findall(r"\$\{\{", self.text)), len(re.findall(r"\$\{\{ [\w.\-]+ \}\}", self.text)))


if __name__ == "__main__":
    unittest.main()
