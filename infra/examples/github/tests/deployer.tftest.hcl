# The tests of the deployer's role with a mocked provider.

mock_provider "aws" {
  source = "../../modules/orders/tests/mocks"
}

variables {
  oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
  repository        = "team/orders"
  state_bucket      = "state"
}

run "only_jobs_of_the_environment_take_the_role" {
  command = plan

  assert {
    condition     = jsondecode(aws_iam_role.deployer.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == "repo:team/orders:environment:production"
    error_message = "A pull request, or another repository, must not be able to apply."
  }
}

run "the_deployer_deletes_nothing_that_keeps_orders" {
  command = plan

  assert {
    condition     = alltrue([for policy in aws_iam_policy.deployer : !can(regex("DeleteStream|DeleteTable|DeleteQueue|DeleteBucket\"|ScheduleKeyDeletion|DeleteLogGroup|\"[a-z0-9]+:\\*\"", policy.policy))])
    error_message = "A teardown must be a person's work."
  }

  assert {
    condition     = alltrue([for policy in aws_iam_policy.deployer : length(policy.policy) <= 6144])
    error_message = "A managed policy has at most 6,144 characters."
  }
}

run "a_brought_key_may_be_used_and_not_be_changed" {
  command = plan

  variables {
    kms_key_arns = ["arn:aws:kms:eu-test-1:123456789012:key/brought"]
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_policy.deployer["data"].policy).Statement : statement if statement.Sid == "BroughtKeys"] == jsondecode(jsonencode([{ Sid = "BroughtKeys", Effect = "Allow", Action = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"], Resource = ["arn:aws:kms:eu-test-1:123456789012:key/brought"] }]))
    error_message = "Terraform must be able to give the brought key to streams and tables."
  }
}

run "without_a_brought_key_there_is_no_right_to_one" {
  command = plan

  assert {
    condition     = !strcontains(aws_iam_policy.deployer["data"].policy, "BroughtKeys")
    error_message = "A right without a key must not be there."
  }
}

run "a_pattern_of_repositories_is_refused" {
  command = plan

  variables {
    repository = "team/*"
  }

  expect_failures = [var.repository]
}
