# The tests of what AWS would refuse only in the middle of an apply.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "a_canary_of_the_version_that_is_pinned_is_refused" {
  variables {
    api_pinned_version = "7"
    api_canary_weight  = 0.1
  }

  expect_failures = [aws_lambda_alias.api]
}

run "names_of_the_whole_account_have_the_region_in_them" {
  assert {
    condition     = [for role in concat([aws_iam_role.api, aws_iam_role.consumer], aws_iam_role.reader, aws_iam_role.notifier) : role.name] == ["orders-api-eu-test-1", "orders-consumer-eu-test-1", "orders-reader-eu-test-1", "orders-notifier-eu-test-1"]
    error_message = "The roles of a second region must have other names."
  }

  assert {
    condition     = aws_iam_policy.announce[0].name == "orders-announce-eu-test-1" && aws_cloudwatch_dashboard.pipeline.dashboard_name == "orders-eu-test-1"
    error_message = "The policy and the dashboard of a second region must have other names."
  }
}

run "the_guard_refuses_while_the_deployment_is_protected" {
  assert {
    condition     = aws_dynamodb_table.guard.deletion_protection_enabled
    error_message = "AWS must refuse to delete the guard."
  }
}

run "the_guard_lets_go_of_a_deployment_that_is_not_protected" {
  command = plan

  variables {
    deletion_protection = false
  }

  assert {
    condition     = !aws_dynamodb_table.guard.deletion_protection_enabled
    error_message = "A teardown must be possible."
  }
}
