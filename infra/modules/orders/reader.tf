# The reader, which runs the api's package and answers `GET /orders/{id}` behind the HTTP API. Reads
# may wait for an order, and each of them then occupies an execution environment. The reader has a
# concurrency of its own, so such reads take none from orders that are submitted. A function URL has
# one function, so there the api reads as well.

resource "aws_cloudwatch_log_group" "reader" {
  count = local.http_api ? 1 : 0

  name              = local.log_group_names.reader
  retention_in_days = var.log_retention_days
  kms_key_id        = local.key_arn
}

resource "aws_lambda_function" "reader" {
  count = local.http_api ? 1 : 0

  function_name                  = "${var.name}-reader"
  description                    = "Reads orders, and waits for them where a client asks for it."
  role                           = aws_iam_role.reader[0].arn
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  architectures                  = [var.architecture]
  filename                       = local.from_s3 ? null : var.api_package
  source_code_hash               = !local.from_s3 && fileexists(var.api_package) ? filebase64sha256(var.api_package) : null
  s3_bucket                      = try(var.packages_s3.bucket, null)
  s3_key                         = try(var.packages_s3.api.key, null)
  s3_object_version              = try(var.packages_s3.api.version, null)
  timeout                        = var.api_timeout_seconds
  memory_size                    = var.api_memory_mb
  reserved_concurrent_executions = coalesce(var.reader_reserved_concurrency, -1)
  publish                        = true

  environment {
    variables = {
      SERVES           = "reads"
      TABLE_NAME       = aws_dynamodb_table.orders.name
      CALLER           = var.caller
      BASE_PATH        = var.base_path
      MAX_WAIT_SECONDS = tostring(var.max_wait_seconds)
      LOG_LEVEL        = var.log_level
    }
  }

  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.reader[0].name
    application_log_level = local.application_log_level
    system_log_level      = "INFO"
  }

  tracing_config {
    mode = local.tracing_mode
  }

  dynamic "vpc_config" {
    for_each = var.vpc == null ? [] : [var.vpc]

    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  depends_on = [aws_iam_role_policy.reader]
}

resource "aws_lambda_alias" "reader" {
  count = local.http_api ? 1 : 0

  name             = "live"
  description      = "The version that the front door invokes for reads."
  function_name    = aws_lambda_function.reader[0].function_name
  function_version = coalesce(var.reader_pinned_version, aws_lambda_function.reader[0].version)
}

resource "aws_iam_role" "reader" {
  count = local.http_api ? 1 : 0

  name                 = local.role_names.reader
  description          = "Reads orders."
  assume_role_policy   = local.assume_role_policy
  permissions_boundary = var.permissions_boundary_arn

  # The name changes with the region. The function gets the new role before the old one is deleted.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_iam_role_policy" "reader" {
  count = local.http_api ? 1 : 0

  name = "reader"
  role = aws_iam_role.reader[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.read_orders, [
      {
        Sid      = "WriteLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.reader[0].arn}:*"
      },
    ], local.trace, local.network)
  })
}

resource "aws_apigatewayv2_integration" "reader" {
  count = local.http_api ? 1 : 0

  api_id                 = aws_apigatewayv2_api.orders[0].id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_alias.reader[0].invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = var.integration_timeout_milliseconds
}

resource "aws_apigatewayv2_route" "read" {
  for_each = local.read_routes

  api_id             = aws_apigatewayv2_api.orders[0].id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.reader[0].id}"
  authorization_type = local.authorization
  authorizer_id      = one(aws_apigatewayv2_authorizer.jwt[*].id)

  # One of the scopes is enough.
  authorization_scopes = local.jwt && length(var.jwt_scopes) > 0 ? var.jwt_scopes : null

  # The gateway must be allowed to invoke the reader before it sends a request there.
  depends_on = [aws_lambda_permission.http_api_reader]
}

moved {
  from = aws_apigatewayv2_route.orders["GET /orders/{id}"]
  to   = aws_apigatewayv2_route.read["GET /orders/{id}"]
}

resource "aws_lambda_permission" "http_api_reader" {
  count = local.http_api ? 1 : 0

  statement_id  = "HttpApi"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.reader[0].function_name
  qualifier     = aws_lambda_alias.reader[0].name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.orders[0].execution_arn}/*/*"
}
