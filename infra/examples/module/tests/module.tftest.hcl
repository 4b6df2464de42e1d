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
    zone_id         = "Z1"
  }
  alarm_topic_arns = {
    page   = "arn:aws:sns:eu-test-1:123456789012:pager"
    ticket = "arn:aws:sns:eu-test-1:123456789012:tracker"
  }
  operator_principal_arns = ["arn:aws:iam::123456789012:role/on-call"]
  jwt_issuer              = "https://issuer.example"
  jwt_audience            = ["orders"]
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
