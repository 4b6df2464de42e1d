# The api and the consumer, each with its log and a `live` alias that callers name. An update
# publishes a version and then moves the alias, so a working version serves at every moment. An
# alias whose version is pinned stays at that version. The reader and the notifier have the same
# form (reader.tf, notifier.tf).

resource "aws_cloudwatch_log_group" "api" {
  name              = local.log_group_names.api
  retention_in_days = var.log_retention_days
  kms_key_id        = local.key_arn
}

resource "aws_cloudwatch_log_group" "consumer" {
  name              = local.log_group_names.consumer
  retention_in_days = var.log_retention_days
  kms_key_id        = local.key_arn
}

locals {
  from_s3 = var.packages_s3 != null

  # Lambda filters JSON lines by level before the lines reach CloudWatch Logs. The function filters
  # its lines too, and both filters have to let the same lines pass.
  application_log_level = upper(var.log_level)
  tracing_mode          = var.tracing ? "Active" : "PassThrough"
}

resource "aws_lambda_function" "api" {
  function_name     = "${var.name}-api"
  description       = local.http_api ? "Accepts intents by putting one record each into the stream." : "Accepts intents by putting one record each into the stream. Reads orders."
  role              = aws_iam_role.api.arn
  runtime           = "provided.al2023"
  handler           = "bootstrap"
  architectures     = [var.architecture]
  filename          = local.from_s3 ? null : var.api_package
  source_code_hash  = !local.from_s3 && fileexists(var.api_package) ? filebase64sha256(var.api_package) : null
  s3_bucket         = try(var.packages_s3.bucket, null)
  s3_key            = try(var.packages_s3.api.key, null)
  s3_object_version = try(var.packages_s3.api.version, null)
  timeout           = var.api_timeout_seconds
  memory_size       = var.api_memory_mb
  # Behind a function URL nothing but a concurrency of 0 turns callers away. Lambda then answers
  # 429.
  reserved_concurrent_executions = local.function_url && !var.accepting ? 0 : coalesce(var.api_reserved_concurrency, -1)
  publish                        = true

  environment {
    variables = merge({
      SERVES      = local.http_api ? "writes" : "all"
      STREAM_NAME = aws_kinesis_stream.intents.name
      CALLER      = var.caller
      BASE_PATH   = var.base_path
      LOG_LEVEL   = var.log_level
      },
      local.http_api ? {} : {
        TABLE_NAME       = aws_dynamodb_table.orders.name
        MAX_WAIT_SECONDS = tostring(var.max_wait_seconds)
      },
    )
  }

  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.api.name
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

  # A first invocation must not find its role without rights.
  depends_on = [aws_iam_role_policy.api]
}

resource "aws_lambda_function" "consumer" {
  function_name                  = "${var.name}-consumer"
  description                    = "Applies intents by one conditional write each to the order's row."
  role                           = aws_iam_role.consumer.arn
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  architectures                  = [var.architecture]
  filename                       = local.from_s3 ? null : var.consumer_package
  source_code_hash               = !local.from_s3 && fileexists(var.consumer_package) ? filebase64sha256(var.consumer_package) : null
  s3_bucket                      = try(var.packages_s3.bucket, null)
  s3_key                         = try(var.packages_s3.consumer.key, null)
  s3_object_version              = try(var.packages_s3.consumer.version, null)
  timeout                        = var.consumer_timeout_seconds
  memory_size                    = var.consumer_memory_mb
  reserved_concurrent_executions = coalesce(var.consumer_reserved_concurrency, -1)
  publish                        = true

  environment {
    variables = {
      TABLE_NAME    = aws_dynamodb_table.orders.name
      MAX_IN_FLIGHT = tostring(var.consumer_max_in_flight)
      LOG_LEVEL     = var.log_level
    }
  }

  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.consumer.name
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

  depends_on = [aws_iam_role_policy.consumer]
}

resource "aws_lambda_alias" "consumer" {
  name             = "live"
  description      = "The version that the mapping invokes."
  function_name    = aws_lambda_function.consumer.function_name
  function_version = coalesce(var.consumer_pinned_version, aws_lambda_function.consumer.version)

  # The notifier and the reader move first, because they have to read the rows that a new version of
  # the consumer writes.
  depends_on = [aws_lambda_alias.notifier, aws_lambda_alias.reader]
}

resource "aws_lambda_alias" "api" {
  name             = "live"
  description      = "The version that the front door invokes."
  function_name    = aws_lambda_function.api.function_name
  function_version = coalesce(var.api_pinned_version, aws_lambda_function.api.version)

  dynamic "routing_config" {
    for_each = var.api_canary_weight > 0 ? [var.api_canary_weight] : []

    content {
      additional_version_weights = { (aws_lambda_function.api.version) = routing_config.value }
    }
  }

  lifecycle {
    precondition {
      condition     = var.api_canary_weight == 0 || var.api_pinned_version != aws_lambda_function.api.version
      error_message = "A canary needs a version that is newer than api_pinned_version. The newest version is the pinned one, and AWS refuses an alias that names one version twice. Deploy a new package, or set api_canary_weight to 0."
    }
  }

  # The consumer moves first, because it has to understand a new version of an event before the api
  # writes such an event. The route of reads moves first, because an api that serves writes answers
  # reads with 503.
  depends_on = [aws_lambda_alias.consumer, aws_apigatewayv2_route.read]
}

# These execution environments are there before the first request, and have a price of their own.
resource "aws_lambda_provisioned_concurrency_config" "api" {
  count = var.api_provisioned_concurrency == null ? 0 : 1

  function_name                     = aws_lambda_function.api.function_name
  qualifier                         = aws_lambda_alias.api.name
  provisioned_concurrent_executions = var.api_provisioned_concurrency
}
