# A subscriber of the facts, as a downstream team would deploy it. The function `shipping` books one
# shipment for each order. It has its own key, tables, role and queue, and only reads from the
# deployment that publishes the facts.

resource "aws_lambda_event_source_mapping" "shipping" {
  event_source_arn = var.facts_stream_arn
  function_name    = aws_lambda_alias.shipping.arn

  starting_position                  = var.settings.starting_position
  batch_size                         = var.settings.batch_size
  maximum_batching_window_in_seconds = var.settings.batching_window_seconds
  parallelization_factor             = var.settings.parallelization_factor
  maximum_retry_attempts             = var.settings.maximum_retry_attempts
  maximum_record_age_in_seconds      = var.settings.maximum_record_age_seconds
  bisect_batch_on_function_error     = var.settings.bisect_batch_on_function_error
  function_response_types            = var.settings.report_batch_item_failures ? ["ReportBatchItemFailures"] : []

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.facts_discarded.arn
    }
  }

  # These metrics are off unless asked for. Without them nobody is told of dropped facts.
  metrics_config {
    metrics = ["EventCount"]
  }

  # Lambda refuses a mapping whose role cannot read the stream.
  depends_on = [aws_iam_role_policy.shipping]
}

resource "aws_cloudwatch_log_group" "shipping" {
  name              = local.log_group_name
  retention_in_days = var.log_retention_days
  kms_key_id        = aws_kms_key.shipping.arn
}

resource "aws_lambda_function" "shipping" {
  function_name                  = var.name
  description                    = "Books one shipment for each order that was created."
  role                           = aws_iam_role.shipping.arn
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  architectures                  = [var.architecture]
  filename                       = var.package
  source_code_hash               = fileexists(var.package) ? filebase64sha256(var.package) : null
  timeout                        = var.settings.timeout_seconds
  memory_size                    = var.settings.memory_mb
  reserved_concurrent_executions = coalesce(var.reserved_concurrency, -1)
  publish                        = true

  environment {
    variables = {
      SHIPMENTS_TABLE_NAME = aws_dynamodb_table.shipments.name
      LOCKS_TABLE_NAME     = aws_dynamodb_table.locks.name
      LOG_LEVEL            = var.log_level
    }
  }

  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.shipping.name
    application_log_level = upper(var.log_level)
    system_log_level      = "INFO"
  }

  # Lambda traces nothing. With Active the role needs X-Ray's actions too.
  tracing_config {
    mode = "PassThrough"
  }

  # A first invocation must not find its role without rights.
  depends_on = [aws_iam_role_policy.shipping]
}

resource "aws_lambda_alias" "shipping" {
  name             = "live"
  description      = "The version that the mapping invokes."
  function_name    = aws_lambda_function.shipping.function_name
  function_version = aws_lambda_function.shipping.version
}

# One item for each order that has its shipment.
resource "aws_dynamodb_table" "shipments" {
  name                        = "${var.name}-shipments"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "order_id"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "order_id"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.shipping.arn
  }
}

# One item for each fact that was worked on, by the id of its event. The attributes are those of
# crates/idempotency. The items expire, and a restore would bring back leases that have ended, so
# there is neither protection nor recovery.
resource "aws_dynamodb_table" "locks" {
  #checkov:skip=CKV_AWS_28:A restored lease says nothing about the present.
  name         = "${var.name}-locks"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"

  attribute {
    name = "id"
    type = "S"
  }

  ttl {
    attribute_name = "ttl"
    enabled        = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.shipping.arn
  }
}

# The reports of the facts that Lambda gave up on. A report has the place of facts in the stream.
resource "aws_sqs_queue" "facts_discarded" {
  name                       = "${var.name}-facts-discarded"
  message_retention_seconds  = var.queue_retention_seconds
  visibility_timeout_seconds = 300
  kms_master_key_id          = aws_kms_key.shipping.arn
}

resource "aws_sqs_queue_policy" "facts_discarded" {
  queue_url = aws_sqs_queue.facts_discarded.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyEncryptedConnections"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.facts_discarded.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
