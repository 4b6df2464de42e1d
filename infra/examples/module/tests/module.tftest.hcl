# The tests of the example with a mocked provider.

mock_provider "aws" {
  source = "../../modules/orders/tests/mocks"
}

variables {
  packages = {
    bucket   = "packages"
    api      = { key = "api.zip" }
    consumer = { key = "consumer.zip" }
    notifier = { key = "notifier.zip" }
  }
  domain = {
    name            = "orders.shop.example"
    certificate_arn = "arn:aws:acm:eu-test-1:123456789012:certificate/c"
    zone            = { id = "Z1" }
  }
  alarm_topics = {
    page   = { arn = "arn:aws:sns:eu-test-1:123456789012:pager" }
    ticket = { arn = "arn:aws:sns:eu-test-1:123456789012:tracker" }
  }
  operator_principal_arns = ["arn:aws:iam::123456789012:role/on-call"]
  jwt_issuer              = "https://issuer.example"
  jwt_audience            = ["orders"]
}

override_resource {
  target = aws_kms_key.team
  values = { arn = "arn:aws:kms:eu-test-1:123456789012:key/team" }
}

# A plan does not know the ARN of the key that it is to make.
run "the_key_may_be_made_by_the_same_apply" {
  command = plan
}

run "the_teams_key_encrypts_the_service_and_has_the_policy_for_it" {
  assert {
    condition     = output.key_arn == "arn:aws:kms:eu-test-1:123456789012:key/team"
    error_message = "The service must use the team's key."
  }

  assert {
    condition     = jsondecode(aws_kms_key.team.policy).Statement[*].Sid == ["AccountDelegatesThroughIam", "LogsOfThisService", "AlarmsOfThisAccount"]
    error_message = "Logs and alarms must be able to use the team's key."
  }
}

run "the_service_is_at_the_teams_domain" {
  assert {
    condition     = output.url == "https://orders.shop.example"
    error_message = "Clients must use the domain."
  }

  assert {
    condition     = output.operator_role_arn != null
    error_message = "The person who is paged must have a role."
  }
}
