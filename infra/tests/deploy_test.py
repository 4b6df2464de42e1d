#!/usr/bin/env python3
"""Tests which plans infra/bin/deploy refuses, and when it applies a plan.

A program that answers with a plan is in the place of Terraform. One test asks the real Terraform
for its form of a plan.
"""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

INFRA = pathlib.Path(__file__).resolve().parent.parent
DEPLOY = INFRA / "bin" / "deploy"

sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("deploy", str(DEPLOY))
deploy = importlib.util.module_from_spec(importlib.util.spec_from_loader("deploy", loader))
loader.exec_module(deploy)

STREAM = "module.orders.aws_kinesis_stream.intents"


def resource(address, actions, before=None, after=None):
    kind = address.split(".")[-2]
    return {"address": address, "mode": "managed", "type": kind, "change": {"actions": actions, "before": before, "after": after}}


def plan(*resources, before="production", after="production", applyable=True):
    action = ["no-op"] if before == after else ["update"]
    setting = {"actions": action, "before": before, "after": after}
    return {"resource_changes": list(resources), "output_changes": {"setting": setting}, "applyable": applyable}


def retention(before, after):
    return resource(STREAM, ["update"], {"retention_period": before}, {"retention_period": after})


class Losses(unittest.TestCase):
    def refuses(self, plan, *words, allowed=()):
        with self.assertRaises(deploy.Refused) as refused:
            deploy.check(plan, allowed)
        for word in words:
            self.assertIn(word, str(refused.exception))

    def test_a_plan_that_takes_nothing_away_passes(self):
        table = resource("module.orders.aws_dynamodb_table.orders", ["create"], None, {"name": "orders"})
        alarm = resource('module.orders.aws_cloudwatch_metric_alarm.orders["poison"]', ["delete"], {}, None)
        deploy.check(plan(table, alarm, retention(24, 168), retention(24, 24)), [])

    def test_a_fall_of_a_streams_retention_is_refused(self):
        self.refuses(plan(retention(168, 24)), STREAM, "24 hours instead of 168", f"--allow {STREAM}")

    def test_a_retention_that_is_not_known_yet_is_refused(self):
        self.refuses(plan(retention(168, None)), "an unknown number of hours instead of 168")

    def test_a_switch_of_the_key_is_refused_if_no_role_may_use_the_former_key(self):
        switch = resource(STREAM, ["update"], {"kms_key_id": "key/a", "retention_period": 24}, {"kms_key_id": "key/b", "retention_period": 24})
        unknown = resource(STREAM, ["update"], {"kms_key_id": "key/a", "retention_period": 24}, {"retention_period": 24})
        policy = "module.orders.aws_iam_role_policy.consumer"
        for stream in (switch, unknown):
            for rights in ({"policy": "key/b"}, {"policy": None}, {}, None):
                self.refuses(plan(stream, resource(policy, ["update"], {"policy": "key/a"}, rights)), "no role could read its older records, which are under key/a", f"--allow {STREAM}")
            deploy.check(plan(stream, resource(policy, ["update"], {"policy": "key/a"}, {"policy": "key/b key/a"})), [])
            deploy.check(plan(stream), [STREAM])

    def test_a_stream_that_keeps_its_key_or_gets_its_first_passes(self):
        for before in ("key/a", None):
            deploy.check(plan(resource(STREAM, ["update"], {"kms_key_id": before}, {"kms_key_id": "key/a"})), [])

    def test_the_loss_of_each_kind_of_keeper_is_refused(self):
        for kind, loss in deploy.KEEPERS.items():
            address = f"module.orders.{kind}.it"
            for actions, what in ((["delete"], "destroyed"), (["delete", "create"], "replaced"), (["create", "delete"], "replaced")):
                self.refuses(plan(resource(address, actions, {}, {})), f"{address} would be {what}", loss)

    def test_streams_tables_and_keys_are_keepers(self):
        self.assertLessEqual({"aws_kinesis_stream", "aws_dynamodb_table", "aws_kms_key"}, set(deploy.KEEPERS))

    def test_a_resource_with_a_number_or_a_key_is_known_by_its_type(self):
        key = resource("module.orders.aws_kms_key.orders", ["delete"], {}, None)
        key["address"] = "module.orders.aws_kms_key.orders[0]"
        self.refuses(plan(key), "--allow module.orders.aws_kms_key.orders[0]")

    def test_a_resource_that_only_moves_is_not_lost(self):
        moved = resource(STREAM, ["no-op"], {"retention_period": 24}, {"retention_period": 24})
        moved["previous_address"] = "aws_kinesis_stream.intents"
        deploy.check(plan(moved), [])

    def test_another_setting_than_the_deployments_is_refused(self):
        self.refuses(plan(before="production", after="minimal"), "production", "minimal", "--allow setting")

    def test_a_first_deployment_has_no_setting_yet(self):
        deploy.check(plan(before=None, after="minimal"), [])

    def test_a_loss_is_taken_if_it_is_named(self):
        losses = plan(retention(168, 24), before="production", after="minimal")
        deploy.check(losses, [STREAM, "setting"])
        self.refuses(losses, "--allow setting", allowed=[STREAM])

    def test_one_name_allows_one_loss(self):
        facts = resource("module.orders.aws_kinesis_stream.facts[0]", ["delete"], {}, None)
        self.refuses(plan(retention(168, 24), facts), "facts[0]", allowed=[STREAM])

    def test_a_name_without_a_loss_is_refused_because_it_would_hide_the_next_one(self):
        self.refuses(plan(retention(24, 24)), f"takes nothing away at {STREAM}", allowed=[STREAM])

    def test_a_package_that_is_not_there_is_named(self):
        function = resource("module.orders.aws_lambda_function.api", ["create"], None, {"filename": "../dist/no-such.zip"})
        self.refuses(plan(function), "../dist/no-such.zip is missing: run make package first")
        function["change"] = {"actions": ["create"], "before": None, "after": {"filename": None, "s3_bucket": "packages"}}
        deploy.check(plan(function), [])


TERRAFORM = """#!/bin/sh
echo "$* [$TF_CLI_ARGS_apply]" >>"$CALLS"
case $1 in show) cat "$PLAN" ;; esac
"""


class Commands(unittest.TestCase):
    """The command with a program in the place of Terraform."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        terraform = self.folder / "terraform"
        terraform.write_text(TERRAFORM)
        terraform.chmod(0o755)
        self.calls = self.folder / "calls"

    def run_it(self, *words, plan=plan(), answer="", **environment):
        self.calls.write_text("")
        (self.folder / "plan").write_text(json.dumps(plan))
        env = {
            "PATH": f"{self.folder}:{os.environ['PATH']}", "CALLS": str(self.calls), "PLAN": str(self.folder / "plan"), **environment
        }
        done = subprocess.run([DEPLOY, *words], input=answer, capture_output=True, text=True, env=env)
        commands = [line.split()[0] for line in self.calls.read_text().splitlines()]
        return done, commands

    def test_without_a_setting_nothing_is_planned(self):
        done, commands = self.run_it()
        self.assertEqual((done.returncode, commands), (1, []))
        self.assertIn("name a setting, such as make deploy SETTINGS=minimal. The settings are minimal, production.", done.stderr)

    def test_a_setting_that_there_is_not_is_refused(self):
        for setting in ("produktion", "localstack"):
            done, commands = self.run_it(setting)
            self.assertEqual((done.returncode, commands), (1, []))
            self.assertIn(f"there is no setting {setting}", done.stderr)

    def test_the_plan_that_was_shown_is_applied_after_a_yes(self):
        done, commands = self.run_it("production", "-var", "facts=false", answer="yes\n", TF_CLI_ARGS_apply="-var-file=x")
        self.assertEqual((done.returncode, commands), (0, ["init", "plan", "show", "apply"]), done.stderr)
        _, planned, shown, applied = self.calls.read_text().splitlines()
        self.assertIn("-var-file=settings/production.tfvars", planned)
        self.assertIn("-var facts=false", planned)
        file = shown.split()[2]
        self.assertIn(f"-out={file}", planned)
        self.assertEqual(applied, f"apply -input=false {file} []")
        self.assertFalse(pathlib.Path(file).parent.exists())

    def test_nothing_is_applied_without_a_yes(self):
        for answer in ("", "no\n", "y\n", "Yes\n"):
            done, commands = self.run_it("production", answer=answer)
            self.assertEqual((done.returncode, commands[-1]), (1, "show"))

    def test_a_refused_plan_is_not_asked_about(self):
        done, commands = self.run_it("production", "--yes", plan=plan(retention(168, 24)), answer="yes\n")
        self.assertEqual((done.returncode, commands[-1]), (1, "show"))
        self.assertIn("instead of 168", done.stderr)
        done, commands = self.run_it("production", "--allow", STREAM, "--yes", plan=plan(retention(168, 24)))
        self.assertEqual((done.returncode, commands[-1]), (0, "apply"))

    def test_plan_only_applies_nothing_and_yes_asks_nobody(self):
        done, commands = self.run_it("production", "--plan-only", answer="yes\n")
        self.assertEqual((done.returncode, commands[-1]), (0, "show"))
        done, commands = self.run_it("production", "--yes")
        self.assertEqual((done.returncode, commands[-1]), (0, "apply"))

    def test_a_plan_without_a_change_is_not_applied(self):
        done, commands = self.run_it("production", plan=plan(applyable=False))
        self.assertEqual((done.returncode, commands[-1]), (0, "show"))

    def test_a_shell_for_another_setting_is_refused(self):
        done, commands = self.run_it("minimal", TF_CLI_ARGS_plan="-var-file=settings/production.tfvars")
        self.assertEqual((done.returncode, commands), (1, []))
        self.assertIn("TF_CLI_ARGS_plan", done.stderr)
        done, commands = self.run_it("production", "--plan-only", TF_CLI_ARGS_plan="-var-file=settings/production.tfvars")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_an_unknown_option_and_a_second_setting_are_refused(self):
        for words in (["production", "--force"], ["production", "minimal"], ["production", "--allow"]):
            done, commands = self.run_it(*words)
            self.assertEqual((done.returncode, commands), (1, []))

    def test_every_setting_has_its_own_name(self):
        for file in (INFRA / "settings").glob("*.tfvars"):
            self.assertIn(f'\nsetting = "{file.stem}"\n', "\n" + file.read_text())


ROOT = """
variable "setting" { type = string }
variable "id" { default = "a" }
resource "terraform_data" "kept" {
  input            = 168
  triggers_replace = var.id
}
output "setting" { value = var.setting }
"""


class RealPlan(unittest.TestCase):
    """The form of a plan is Terraform's. Its built-in resource needs no provider."""

    def test_terraform_says_what_the_check_reads(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "main.tf").write_text(ROOT)

            def terraform(*words):
                env = {**os.environ, "CHECKPOINT_DISABLE": "1"}
                done = subprocess.run(["terraform", *words], cwd=folder, env=env, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                return done.stdout

            terraform("init", "-input=false")
            terraform("plan", "-var=setting=production", "-out=first")
            first = json.loads(terraform("show", "-json", "first"))
            terraform("apply", "first")
            terraform("plan", "-var=setting=minimal", "-var=id=b", "-out=second")
            second = json.loads(terraform("show", "-json", "second"))
        self.assertTrue(first["applyable"])
        self.assertEqual(deploy.losses(first), [])
        [kept] = second["resource_changes"]
        self.assertEqual((kept["address"], kept["mode"], kept["type"]), ("terraform_data.kept", "managed", "terraform_data"))
        kept["type"] = "aws_kms_key"
        self.assertEqual([name for name, _ in deploy.losses(second)], ["setting", "terraform_data.kept"])


if __name__ == "__main__":
    unittest.main()
