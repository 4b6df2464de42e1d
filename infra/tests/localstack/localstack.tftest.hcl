# What settings/localstack.tfvars promises: nothing that LocalStack's community edition does not
# know, and nothing that stays.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "the_front_door_is_a_function_url_that_everybody_may_call" {
  command = plan

  assert {
    condition     = length(aws_apigatewayv2_api.orders) == 0
    error_message = "LocalStack's community edition has no HTTP APIs."
  }

  assert {
    condition     = one(aws_lambda_function_url.api[*].authorization_type) == "NONE"
    error_message = "Who calls LocalStack has nothing to sign with."
  }
}

run "it_can_be_destroyed" {
  command = plan

  assert {
    condition     = !aws_dynamodb_table.orders.deletion_protection_enabled
    error_message = "The table must not be protected."
  }
}
