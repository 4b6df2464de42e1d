# The front door as an HTTP API, with routes, throttle, access log, CORS, and the check of tokens or
# signatures.

locals {
  http_api = var.front_door == "http_api"
  jwt      = startswith(var.caller, "jwt:")

  authorization = local.jwt ? "JWT" : var.caller == "iam" ? "AWS_IAM" : "NONE"
  # The routes of the api, those of the reader, and those that everybody may use.
  routes      = local.http_api ? toset(["POST /orders", "POST /orders/batch", "POST /orders/{id}/cancel"]) : toset([])
  read_routes = local.http_api ? toset(["GET /orders/{id}"]) : toset([])
  open_routes = local.http_api ? toset(["GET /openapi.json"]) : toset([])

  cors_methods = ["GET", "POST"]
  cors_request_headers = concat(
    ["authorization", "content-type", "idempotency-key", "if-none-match", "prefer", "traceparent"],
    # A signature takes these headers besides (IAM user guide, "Elements of an AWS API request
    # signature").
    var.caller == "iam" ? ["x-amz-content-sha256", "x-amz-date", "x-amz-security-token"] : [],
  )
  cors_answer_headers = ["etag", "location", "retry-after", "preference-applied"]
}

resource "aws_apigatewayv2_api" "orders" {
  count = local.http_api ? 1 : 0

  name          = var.name
  description   = "Orders: an intake that listens to itself"
  protocol_type = "HTTP"

  disable_execute_api_endpoint = var.domain != null

  dynamic "cors_configuration" {
    for_each = length(var.cors_allow_origins) > 0 ? [var.cors_allow_origins] : []

    content {
      allow_origins  = cors_configuration.value
      allow_methods  = local.cors_methods
      allow_headers  = local.cors_request_headers
      expose_headers = local.cors_answer_headers
      max_age        = 600
    }
  }
}

resource "aws_apigatewayv2_integration" "api" {
  count = local.http_api ? 1 : 0

  api_id                 = aws_apigatewayv2_api.orders[0].id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_alias.api.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = var.integration_timeout_milliseconds
}

# While nothing is accepted, the reader gets the requests of the api. It has no right to the stream,
# and answers a request of the api's part with 503. The gateway then says when to come again.
resource "aws_apigatewayv2_integration" "closed" {
  count = local.http_api ? 1 : 0

  api_id                 = aws_apigatewayv2_api.orders[0].id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_alias.reader[0].invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = var.integration_timeout_milliseconds

  response_parameters {
    status_code = "503"
    mappings    = { "overwrite:header.retry-after" = "60" }
  }
}

resource "aws_apigatewayv2_authorizer" "jwt" {
  count = local.http_api && local.jwt ? 1 : 0

  name             = "${var.name}-jwt"
  api_id           = aws_apigatewayv2_api.orders[0].id
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = var.jwt_issuer
    audience = var.jwt_audience
  }

  # AWS does not delete an authorizer that a route uses. If another caller is chosen, the routes let
  # go of the authorizer before it is deleted.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_apigatewayv2_route" "orders" {
  for_each = local.routes

  api_id             = aws_apigatewayv2_api.orders[0].id
  route_key          = each.key
  target             = "integrations/${var.accepting ? aws_apigatewayv2_integration.api[0].id : aws_apigatewayv2_integration.closed[0].id}"
  authorization_type = local.authorization
  authorizer_id      = one(aws_apigatewayv2_authorizer.jwt[*].id)

  # One of the scopes is enough.
  authorization_scopes = local.jwt && length(var.jwt_scopes) > 0 ? var.jwt_scopes : null
}

# The OpenAPI document has no data of anybody, and a client reads it to learn how to get a token. So
# the route has no authorizer. It stays open while nothing is accepted.
resource "aws_apigatewayv2_route" "open" {
  #checkov:skip=CKV_AWS_309:It says NONE on purpose, see above
  for_each = local.open_routes

  api_id             = aws_apigatewayv2_api.orders[0].id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.api[0].id}"
  authorization_type = "NONE"
}

# Every request off the service's routes gets the service's own problem document (404, or 405 with
# `Allow`) instead of the gateway's. Such a request reaches nothing where callers are known. This
# route has no authorizer, so the event names no caller, and the api answers 401 before it does
# anything.
resource "aws_apigatewayv2_route" "elsewhere" {
  #checkov:skip=CKV_AWS_309:It says NONE on purpose, see above
  count = local.http_api ? 1 : 0

  api_id             = aws_apigatewayv2_api.orders[0].id
  route_key          = "$default"
  target             = "integrations/${aws_apigatewayv2_integration.api[0].id}"
  authorization_type = "NONE"
}

resource "aws_cloudwatch_log_group" "access" {
  count = local.http_api ? 1 : 0

  name              = local.log_group_names.access
  retention_in_days = var.log_retention_days
  kms_key_id        = local.key_arn
}

# The stage `$default` puts no stage name into the path, so the api's `Location: /orders/{id}` is
# right.
resource "aws_apigatewayv2_stage" "default" {
  count = local.http_api ? 1 : 0

  api_id      = aws_apigatewayv2_api.orders[0].id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit    = var.requests_per_second
    throttling_burst_limit   = var.request_burst
    detailed_metrics_enabled = true
  }

  dynamic "route_settings" {
    for_each = var.route_throttles

    content {
      route_key                = route_settings.key
      throttling_rate_limit    = route_settings.value.requests_per_second
      throttling_burst_limit   = route_settings.value.burst
      detailed_metrics_enabled = true
    }
  }

  # A setting of a route needs the route.
  depends_on = [aws_apigatewayv2_route.open, aws_apigatewayv2_route.orders, aws_apigatewayv2_route.read]

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access[0].arn
    # The log has the route and not the path, because a path may hold an order id. It has no address
    # and no caller. The api logs the same request id.
    format = jsonencode({
      request_id          = "$context.requestId"
      time                = "$context.requestTimeEpoch"
      route               = "$context.routeKey"
      status              = "$context.status"
      response_length     = "$context.responseLength"
      response_latency    = "$context.responseLatency"
      integration_latency = "$context.integrationLatency"
      integration_status  = "$context.integration.status"
      integration_error   = "$context.integration.error"
      authorizer_error    = "$context.authorizer.error"
    })
  }
}

resource "aws_lambda_permission" "http_api" {
  count = local.http_api ? 1 : 0

  statement_id  = "HttpApi"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.api.function_name
  qualifier     = aws_lambda_alias.api.name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.orders[0].execution_arn}/*/*"
}
