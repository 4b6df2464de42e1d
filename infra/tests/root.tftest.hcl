# The tests of the root, which reads the settings and passes them to the module. The module's own
# tests are in modules/orders/tests.

mock_provider "aws" {
  source = "./modules/orders/tests/mocks"
}

variables {
  setting          = "minimal"
  alarms_are_heard = true
}

run "the_shipped_settings_are_a_deployment_by_themselves" {
  assert {
    condition     = output.outage_budget_seconds == 118 && output.record_lifetime_seconds == 86400
    error_message = "The settings of pipeline.auto.tfvars.json must reach the module."
  }

  assert {
    condition     = output.url == "https://api.execute-api.eu-test-1.amazonaws.com" && output.dashboard == "orders-eu-test-1"
    error_message = "The outputs of the module must be those of the root, and the name must be orders."
  }

  assert {
    condition     = output.subscriber.settings.batch_size == var.subscriber_batch_size && output.facts_outage_budget_seconds == 324.5
    error_message = "The settings of the facts must reach the module."
  }
}

run "a_setting_of_a_deployment_takes_the_place_of_the_shipped_setting" {
  command = plan

  variables {
    retention_hours = 48
    facts           = false
  }

  assert {
    condition     = output.record_lifetime_seconds == 172800 && output.facts_outage_budget_seconds == null
    error_message = "A value of a deployment must reach the module."
  }
}

run "tags_that_aws_keeps_for_itself_are_refused" {
  command = plan

  variables {
    tags = { "aws:team" = "orders" }
  }

  expect_failures = [var.tags]
}

run "a_tag_needs_a_key" {
  command = plan

  variables {
    tags = { "" = "nothing" }
  }

  expect_failures = [var.tags]
}

run "a_tag_has_the_characters_that_aws_takes" {
  command = plan

  variables {
    tags = { team = "a;b" }
  }

  expect_failures = [var.tags]
}

run "more_tags_than_a_resource_takes_are_refused" {
  command = plan

  variables {
    tags = { for number in range(49) : "tag-${number}" => "value" }
  }

  expect_failures = [var.tags]
}

run "every_tag_that_aws_takes_is_taken" {
  command = plan

  variables {
    tags = { for number in range(48) : "cost:team/${number}" => "orders + ärger @ 5 = 1_000.0" }
  }
}

run "a_deployment_remembers_its_setting" {
  command = plan

  assert {
    condition     = output.setting == "minimal"
    error_message = "The state must have the setting, because infra/bin/deploy compares it with the next one."
  }
}

run "a_setting_without_a_name_is_refused" {
  command = plan

  variables {
    setting = ""
  }

  expect_failures = [var.setting]
}
