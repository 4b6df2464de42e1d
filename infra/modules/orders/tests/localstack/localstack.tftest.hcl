# The promises of settings/localstack.tfvars. The deployment uses only what LocalStack's community
# edition knows, and it can be destroyed.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "the_front_door_is_a_function_url_that_everybody_may_call" {
  command = plan

  assert {
    condition     = length(aws_apigatewayv2_api.orders) == 0
    error_message = "There must be no HTTP API, because LocalStack's community edition has none."
  }

  assert {
    condition     = one(aws_lambda_function_url.api[*].authorization_type) == "NONE"
    error_message = "The function URL must be open, because a caller of LocalStack has nothing to sign with."
  }
}

run "it_can_be_destroyed" {
  command = plan

  assert {
    condition     = !aws_dynamodb_table.orders.deletion_protection_enabled && !aws_dynamodb_table.announcements[0].deletion_protection_enabled
    error_message = "The tables must not be protected."
  }
}
