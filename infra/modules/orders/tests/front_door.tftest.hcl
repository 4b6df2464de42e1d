# The tests of the front door in each of its forms.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "an_http_api_has_the_services_routes_and_answers_the_rest_with_the_services_problems" {
  assert {
    condition     = keys(aws_apigatewayv2_route.orders) == ["POST /orders", "POST /orders/batch", "POST /orders/{id}/cancel"] && keys(aws_apigatewayv2_route.read) == ["GET /orders/{id}"] && keys(aws_apigatewayv2_route.open) == ["GET /openapi.json"]
    error_message = "The routes must be the service's."
  }

  assert {
    condition     = alltrue([for route in merge(aws_apigatewayv2_route.orders, aws_apigatewayv2_route.read) : route.authorization_type == "NONE"]) && aws_apigatewayv2_route.elsewhere[0].route_key == "$default"
    error_message = "Everybody must be allowed to call with caller = none."
  }

  assert {
    condition     = aws_apigatewayv2_integration.api[0].payload_format_version == "2.0" && aws_apigatewayv2_integration.api[0].integration_uri == aws_lambda_alias.api.invoke_arn
    error_message = "The integration must use payload format 2.0, which the api reads, and must invoke the api by its alias."
  }

  assert {
    condition     = aws_lambda_permission.http_api[0].source_arn == "arn:aws:execute-api:eu-test-1:123456789012:api/*/*" && aws_lambda_permission.http_api[0].qualifier == "live"
    error_message = "This API and no other may invoke the alias."
  }

  assert {
    condition     = length(aws_lambda_function_url.api) == 0 && length(aws_lambda_permission.function_url) == 0 && length(aws_lambda_permission.function_url_invoke) == 0
    error_message = "There must be one front door."
  }

  assert {
    condition     = aws_lambda_function.api.environment[0].variables.CALLER == "none"
    error_message = "The api must read callers where the front door puts them."
  }
}

run "reads_go_to_a_function_of_their_own_that_may_only_read" {
  assert {
    condition     = aws_apigatewayv2_route.read["GET /orders/{id}"].target == "integrations/${aws_apigatewayv2_integration.reader[0].id}" && aws_apigatewayv2_integration.reader[0].integration_uri == aws_lambda_alias.reader[0].invoke_arn
    error_message = "Reads must go to the reader's alias."
  }

  assert {
    condition     = aws_lambda_function.reader[0].environment[0].variables == tomap({ SERVES = "reads", TABLE_NAME = "orders", CALLER = "none", BASE_PATH = "/", MAX_WAIT_SECONDS = "5", REQUESTS_PER_CALLER = "off", LOG_LEVEL = "info" })
    error_message = "The reader must serve reads, and must not know the stream."
  }

  assert {
    condition     = aws_lambda_function.api.environment[0].variables == tomap({ SERVES = "writes", STREAM_NAME = "orders-intents", CALLER = "none", BASE_PATH = "/", REQUIRE_IDEMPOTENCY_KEY = "off", HOT_SHARD_ESCAPE = "on", REQUESTS_PER_CALLER = "off", LOG_LEVEL = "info" })
    error_message = "The api must serve writes, and must not know the table."
  }

  assert {
    condition     = aws_lambda_function.reader[0].filename == aws_lambda_function.api.filename && aws_lambda_function.reader[0].logging_config[0].log_group == aws_cloudwatch_log_group.reader[0].name
    error_message = "Both functions must run one package, each with its own log."
  }

  assert {
    condition     = aws_lambda_permission.http_api_reader[0].function_name == aws_lambda_function.reader[0].function_name && aws_lambda_permission.http_api_reader[0].qualifier == "live" && aws_lambda_permission.http_api_reader[0].source_arn == "arn:aws:execute-api:eu-test-1:123456789012:api/*/*"
    error_message = "This API and no other may invoke the reader."
  }
}

run "the_reader_has_a_concurrency_of_its_own" {
  command = plan

  variables {
    api_reserved_concurrency    = 50
    reader_reserved_concurrency = 20
  }

  assert {
    condition     = aws_lambda_function.api.reserved_concurrent_executions == 50 && aws_lambda_function.reader[0].reserved_concurrent_executions == 20
    error_message = "Reads must not be able to take the concurrency of orders."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.orders["reader-concurrency"].threshold == 16
    error_message = "The alarm must fire at 80 % of the reader's reserved concurrency."
  }
}

run "requests_are_throttled_and_logged_without_path_address_or_caller" {
  assert {
    condition     = one(aws_apigatewayv2_stage.default[0].default_route_settings).throttling_rate_limit == 500 && one(aws_apigatewayv2_stage.default[0].default_route_settings).throttling_burst_limit == 500
    error_message = "The throttle must be set."
  }

  assert {
    condition     = one(aws_apigatewayv2_stage.default[0].access_log_settings).destination_arn == aws_cloudwatch_log_group.access[0].arn
    error_message = "Requests must be logged."
  }

  assert {
    condition     = !can(regex("path|Path|sourceIp|userAgent|claims|identity|protocol|domain", one(aws_apigatewayv2_stage.default[0].access_log_settings).format))
    error_message = "The log must have neither a path nor an address. An order id in a path is a capability, and an address is personal."
  }

  assert {
    condition     = jsondecode(one(aws_apigatewayv2_stage.default[0].access_log_settings).format).request_id == "$context.requestId"
    error_message = "The access log must have the request id that the api logs as gateway_request_id."
  }
}

run "tokens_are_checked_before_the_api" {
  variables {
    caller       = "jwt:sub"
    jwt_issuer   = "https://issuer.example"
    jwt_audience = ["orders"]
  }

  assert {
    condition     = alltrue([for route in merge(aws_apigatewayv2_route.orders, aws_apigatewayv2_route.read) : route.authorization_type == "JWT" && route.authorizer_id == aws_apigatewayv2_authorizer.jwt[0].id])
    error_message = "Every route of the service must check the token."
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.open : route.authorization_type == "NONE"]) && length(aws_apigatewayv2_route.open) == 1
    error_message = "The OpenAPI document must be there for clients that have no token yet."
  }

  assert {
    condition     = one(aws_apigatewayv2_authorizer.jwt[0].jwt_configuration).issuer == "https://issuer.example" && one(aws_apigatewayv2_authorizer.jwt[0].jwt_configuration).audience == tolist(["orders"])
    error_message = "The authorizer must check issuer and audience."
  }

  assert {
    condition     = aws_lambda_function.api.environment[0].variables.CALLER == "jwt:sub"
    error_message = "The api must require the claim, because the catch-all route has no authorizer."
  }
}

run "signatures_are_checked_before_the_api" {
  variables {
    caller = "iam"
  }

  assert {
    condition     = alltrue([for route in merge(aws_apigatewayv2_route.orders, aws_apigatewayv2_route.read) : route.authorization_type == "AWS_IAM"]) && length(aws_apigatewayv2_authorizer.jwt) == 0
    error_message = "Every route of the service must check the signature."
  }

  assert {
    condition     = aws_lambda_function.api.environment[0].variables.CALLER == "iam"
    error_message = "The api must require the caller, because the catch-all route has no authorizer."
  }
}

run "a_page_may_send_a_signature_where_one_is_asked_for" {
  variables {
    caller             = "iam"
    cors_allow_origins = ["https://shop.example"]
  }

  assert {
    condition     = length(setsubtract(["authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"], one(aws_apigatewayv2_api.orders[0].cors_configuration).allow_headers)) == 0
    error_message = "The headers of a signature must be allowed, or the browser refuses to send a signed request."
  }
}

run "pages_of_named_origins_may_call" {
  variables {
    cors_allow_origins = ["https://shop.example"]
  }

  assert {
    condition     = one(aws_apigatewayv2_api.orders[0].cors_configuration).allow_origins == toset(["https://shop.example"]) || one(aws_apigatewayv2_api.orders[0].cors_configuration).allow_origins == tolist(["https://shop.example"])
    error_message = "The origin must be allowed."
  }

  assert {
    condition     = contains(one(aws_apigatewayv2_api.orders[0].cors_configuration).allow_headers, "idempotency-key") && contains(one(aws_apigatewayv2_api.orders[0].cors_configuration).expose_headers, "location")
    error_message = "A page must be able to send a key and to read the place of its order."
  }
}

run "a_function_url_replaces_the_gateway" {
  variables {
    front_door = "function_url"
  }

  assert {
    condition     = length(aws_apigatewayv2_api.orders) + length(aws_apigatewayv2_route.orders) + length(aws_apigatewayv2_route.read) + length(aws_apigatewayv2_route.open) + length(aws_lambda_function.reader) + length(aws_iam_role.reader) + length(aws_apigatewayv2_route.elsewhere) + length(aws_apigatewayv2_stage.default) + length(aws_cloudwatch_log_group.access) + length(aws_lambda_permission.http_api) == 0
    error_message = "There must be one front door, and one function behind it."
  }

  assert {
    condition     = aws_lambda_function.api.environment[0].variables == tomap({ SERVES = "all", STREAM_NAME = "orders-intents", TABLE_NAME = "orders", CALLER = "none", BASE_PATH = "/", MAX_WAIT_SECONDS = "5", REQUIRE_IDEMPOTENCY_KEY = "off", HOT_SHARD_ESCAPE = "on", REQUESTS_PER_CALLER = "off", LOG_LEVEL = "info" })
    error_message = "The one function must serve everything."
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.api.policy).Statement : statement.Sid] == ["PutIntents", "EncryptIntents", "WriteLog", "ReadOrders", "DecryptOrders"]
    error_message = "The one function must be able to write and to read."
  }

  assert {
    condition     = length([for name in keys(aws_cloudwatch_metric_alarm.orders) : name if startswith(name, "reader-")]) == 0 && output.reader_function == null
    error_message = "A function that does not exist must have no alarms."
  }

  assert {
    condition     = aws_lambda_function_url.api[0].authorization_type == "NONE" && aws_lambda_function_url.api[0].qualifier == "live"
    error_message = "The URL must invoke the alias."
  }

  assert {
    condition     = aws_lambda_permission.function_url[0].function_url_auth_type == "NONE" && aws_lambda_permission.function_url_invoke[0].invoked_via_function_url
    error_message = "Everybody must be allowed to invoke the function by the URL, and only by the URL."
  }

  assert {
    condition     = output.url == "https://u.lambda-url.eu-test-1.on.aws"
    error_message = "The URL must end without a slash, because paths are appended to it."
  }

  assert {
    condition     = contains([for query in aws_cloudwatch_metric_alarm.orders["api-5xx"].metric_query : try(one(query.metric).metric_name, "")], "Url5xxCount")
    error_message = "The alarms must follow the front door."
  }
}

run "pages_of_named_origins_may_call_a_function_url" {
  variables {
    front_door         = "function_url"
    cors_allow_origins = ["https://shop.example"]
  }

  assert {
    condition     = contains(one(aws_lambda_function_url.api[0].cors).allow_origins, "https://shop.example") && contains(one(aws_lambda_function_url.api[0].cors).allow_headers, "idempotency-key") && contains(one(aws_lambda_function_url.api[0].cors).expose_headers, "location")
    error_message = "The function URL must let pages do what the HTTP API lets them do."
  }
}

run "a_function_url_with_signatures_is_open_to_nobody_else" {
  variables {
    front_door = "function_url"
    caller     = "iam"
  }

  assert {
    condition     = aws_lambda_function_url.api[0].authorization_type == "AWS_IAM" && length(aws_lambda_permission.function_url) == 0 && length(aws_lambda_permission.function_url_invoke) == 0
    error_message = "Callers' own policies must decide."
  }
}
