# The tests of the inputs that a platform team brings.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "functions_join_a_network_and_may_make_its_interfaces" {
  variables {
    vpc = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
  }

  assert {
    condition     = alltrue([for function in local.functions : join(" ", one(function.vpc_config).subnet_ids) == "subnet-1" && join(" ", one(function.vpc_config).security_group_ids) == "sg-1"])
    error_message = "Every function must be in the network."
  }

  assert {
    condition     = alltrue([for policy in concat([aws_iam_role_policy.api, aws_iam_role_policy.consumer], aws_iam_role_policy.reader, aws_iam_role_policy.notifier) : contains(jsondecode(policy.policy).Statement[*].Sid, "JoinNetwork")])
    error_message = "Lambda must be able to make the interfaces of every function."
  }
}

run "packages_come_from_a_bucket" {
  command = plan

  variables {
    packages_s3 = {
      bucket   = "packages"
      api      = { key = "api.zip", version = "1" }
      consumer = { key = "consumer.zip" }
      notifier = { key = "notifier.zip" }
    }
  }

  assert {
    condition     = [for function in local.functions : "${function.s3_bucket}/${function.s3_key}"] == ["packages/api.zip", "packages/consumer.zip", "packages/api.zip", "packages/notifier.zip"] && aws_lambda_function.api.s3_object_version == "1"
    error_message = "Each function must have its own package."
  }
}

run "the_notifiers_package_may_not_be_left_out" {
  command = plan

  variables {
    packages_s3 = { bucket = "packages", api = { key = "api.zip" }, consumer = { key = "consumer.zip" } }
  }

  expect_failures = [var.packages_s3]
}

run "a_domain_takes_the_place_of_the_apis_own_endpoint" {
  variables {
    base_path = "/v1"
    domain = {
      name            = "orders.example"
      certificate_arn = "arn:aws:acm:eu-test-1:123456789012:certificate/c"
      zone            = { id = "Z1" }
    }
  }

  assert {
    condition     = aws_apigatewayv2_api.orders[0].disable_execute_api_endpoint && aws_apigatewayv2_api_mapping.orders[0].api_mapping_key == "v1" && aws_apigatewayv2_api_mapping.orders[0].api_id == aws_apigatewayv2_api.orders[0].id
    error_message = "The API must be reached by the domain alone."
  }

  assert {
    condition     = output.url == "https://orders.example/v1" && aws_route53_record.orders[0].zone_id == "Z1" && aws_route53_record.orders[0].name == "orders.example"
    error_message = "The domain must lead to the service."
  }
}

run "scopes_and_throttles_are_those_of_the_routes" {
  command = plan

  variables {
    caller          = "jwt:sub"
    jwt_issuer      = "https://issuer.example"
    jwt_audience    = ["orders"]
    jwt_scopes      = ["orders.write"]
    route_throttles = { "POST /orders" = { requests_per_second = 10, burst = 20 } }
  }

  assert {
    condition     = alltrue([for route in merge(aws_apigatewayv2_route.orders, aws_apigatewayv2_route.read) : join(" ", route.authorization_scopes) == "orders.write"])
    error_message = "Every route must ask for a scope."
  }

  assert {
    condition     = one(aws_apigatewayv2_stage.default[0].route_settings).route_key == "POST /orders" && one(aws_apigatewayv2_stage.default[0].route_settings).throttling_rate_limit == 10 && one(aws_apigatewayv2_stage.default[0].route_settings).detailed_metrics_enabled
    error_message = "A route must have its throttle, and keep its metrics."
  }
}

run "a_throttle_of_a_route_that_there_is_not_is_refused" {
  command = plan

  variables {
    route_throttles = { "PUT /orders" = { requests_per_second = 10, burst = 20 } }
    jwt_scopes      = ["orders.write"]
    vpc             = { subnet_ids = [], security_group_ids = ["sg-1"] }
  }

  expect_failures = [var.route_throttles, var.jwt_scopes, var.vpc]
}

run "environments_are_there_before_the_first_request" {
  command = plan

  variables {
    api_provisioned_concurrency = 5
  }

  assert {
    condition     = aws_lambda_provisioned_concurrency_config.api[0].provisioned_concurrent_executions == 5 && aws_lambda_provisioned_concurrency_config.api[0].qualifier == "live"
    error_message = "The environments must be those of the alias."
  }
}
