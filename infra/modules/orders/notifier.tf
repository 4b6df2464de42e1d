# The notifier, which publishes the facts that a change of an order's row announces. It is between
# the table's change stream and the stream of facts. Here are its function, its role, its mapping
# and its destination of discards.

resource "aws_cloudwatch_log_group" "notifier" {
  count = var.facts ? 1 : 0

  name              = local.log_group_names.notifier
  retention_in_days = var.log_retention_days
  kms_key_id        = local.key_arn
}

resource "aws_lambda_function" "notifier" {
  count = var.facts ? 1 : 0

  function_name                  = "${var.name}-notifier"
  description                    = "Publishes the facts that changes of orders announce, and marks them."
  role                           = aws_iam_role.notifier[0].arn
  runtime                        = "provided.al2023"
  handler                        = "bootstrap"
  architectures                  = [var.architecture]
  filename                       = local.from_s3 ? null : var.notifier_package
  source_code_hash               = !local.from_s3 && fileexists(var.notifier_package) ? filebase64sha256(var.notifier_package) : null
  s3_bucket                      = try(var.packages_s3.bucket, null)
  s3_key                         = try(var.packages_s3.notifier.key, null)
  s3_object_version              = try(var.packages_s3.notifier.version, null)
  timeout                        = var.notifier_timeout_seconds
  memory_size                    = var.notifier_memory_mb
  reserved_concurrent_executions = coalesce(var.notifier_reserved_concurrency, -1)
  publish                        = true

  environment {
    variables = {
      FACTS_STREAM_NAME        = aws_kinesis_stream.facts[0].name
      ANNOUNCEMENTS_TABLE_NAME = aws_dynamodb_table.announcements[0].name
      LOG_LEVEL                = var.log_level
    }
  }

  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.notifier[0].name
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
  depends_on = [aws_iam_role_policy.notifier]
}

resource "aws_lambda_alias" "notifier" {
  count = var.facts ? 1 : 0

  name             = "live"
  description      = "The version that the mapping invokes."
  function_name    = aws_lambda_function.notifier[0].function_name
  function_version = coalesce(var.notifier_pinned_version, aws_lambda_function.notifier[0].version)
}

# Every setting but the stop switch is the pipeline's (pipeline_facts.tf).
resource "aws_lambda_event_source_mapping" "notifier" {
  count = var.facts ? 1 : 0

  event_source_arn = aws_dynamodb_table.orders.stream_arn
  function_name    = aws_lambda_alias.notifier[0].arn
  enabled          = var.notifier_enabled

  starting_position                  = var.notifier_starting_position
  batch_size                         = var.notifier_batch_size
  maximum_batching_window_in_seconds = var.notifier_batching_window_seconds
  parallelization_factor             = var.notifier_parallelization_factor
  maximum_retry_attempts             = var.notifier_maximum_retry_attempts
  maximum_record_age_in_seconds      = var.notifier_maximum_record_age_seconds
  bisect_batch_on_function_error     = var.notifier_bisect_batch_on_function_error
  function_response_types            = var.notifier_report_batch_item_failures ? ["ReportBatchItemFailures"] : []

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.changes_discarded[0].arn
    }
  }

  # These metrics are off unless asked for. Without them nobody is told of dropped changes.
  metrics_config {
    metrics = ["EventCount"]
  }

  # Lambda refuses a mapping whose role cannot read the stream.
  depends_on = [aws_iam_role_policy.notifier]
}

# A report has the place of changes in the change stream, which forgets them after 24 hours. The
# facts of these changes do not depend on the report, because `announce` finds them by their missing
# marks. So an archive of the changes is not needed.
resource "aws_sqs_queue" "changes_discarded" {
  count = var.facts ? 1 : 0

  name                       = "${var.name}-changes-discarded"
  message_retention_seconds  = var.queue_retention_seconds
  visibility_timeout_seconds = 300
  kms_master_key_id          = local.key_arn
}

resource "aws_sqs_queue_policy" "changes_discarded" {
  count = var.facts ? 1 : 0

  queue_url = aws_sqs_queue.changes_discarded[0].url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyEncryptedConnections"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.changes_discarded[0].arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

# The notifier reads the change stream, and has no right to the table itself.
resource "aws_iam_role" "notifier" {
  count = var.facts ? 1 : 0

  name                 = local.role_names.notifier
  description          = "Reads changes of orders, publishes their facts, and marks them."
  assume_role_policy   = local.assume_role_policy
  permissions_boundary = var.permissions_boundary_arn

  # The name changes with the region. The function gets the new role before the old one is deleted.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_iam_role_policy" "notifier" {
  count = var.facts ? 1 : 0

  name = "notifier"
  role = aws_iam_role.notifier[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "PollChanges"
        Effect   = "Allow"
        Action   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
        Resource = aws_dynamodb_table.orders.stream_arn
      },
      # Lambda lists the streams of the table, which are all streams that the table has had.
      {
        Sid      = "FindChanges"
        Effect   = "Allow"
        Action   = "dynamodb:ListStreams"
        Resource = "${aws_dynamodb_table.orders.arn}/stream/*"
      },
      # A change stream is encrypted under its table's key (DynamoDB developer guide, "Encryption at
      # rest usage notes"). So the key's context is the table's.
      {
        Sid       = "DecryptChanges"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = local.usable_key_arns
        Condition = local.through_dynamodb
      },
      {
        Sid      = "PublishFacts"
        Effect   = "Allow"
        Action   = ["kinesis:PutRecord", "kinesis:PutRecords"]
        Resource = aws_kinesis_stream.facts[0].arn
      },
      {
        Sid       = "EncryptFacts"
        Effect    = "Allow"
        Action    = "kms:GenerateDataKey"
        Resource  = local.usable_key_arns
        Condition = local.through_facts[0]
      },
      {
        Sid      = "MarkFacts"
        Effect   = "Allow"
        Action   = "dynamodb:UpdateItem"
        Resource = aws_dynamodb_table.announcements[0].arn
      },
      {
        Sid       = "DecryptAnnouncements"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = local.usable_key_arns
        Condition = local.through_announcements[0]
      },
      {
        Sid      = "WriteLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.notifier[0].arn}:*"
      },
      {
        Sid      = "KeepDiscards"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = aws_sqs_queue.changes_discarded[0].arn
      },
      {
        Sid       = "EncryptDiscards"
        Effect    = "Allow"
        Action    = ["kms:GenerateDataKey", "kms:Decrypt"]
        Resource  = local.usable_key_arns
        Condition = local.through_changes_discarded[0]
      },
    ], local.trace, local.network)
  })
}

locals {
  # The conditions on the key, as in roles.tf.
  through_facts = [for stream in aws_kinesis_stream.facts : {
    StringEquals = {
      "kms:ViaService"                        = "kinesis.${local.region}.${local.dns_suffix}"
      "kms:EncryptionContext:aws:kinesis:arn" = stream.arn
    }
  }]
  through_announcements = [for table in aws_dynamodb_table.announcements : {
    StringEquals = {
      "kms:ViaService"                                  = "dynamodb.${local.region}.${local.dns_suffix}"
      "kms:EncryptionContext:aws:dynamodb:tableName"    = table.name
      "kms:EncryptionContext:aws:dynamodb:subscriberId" = local.account
    }
  }]
  through_changes_discarded = [for queue in aws_sqs_queue.changes_discarded : {
    StringEquals = {
      "kms:ViaService"                    = "sqs.${local.region}.${local.dns_suffix}"
      "kms:EncryptionContext:aws:sqs:arn" = queue.arn
    }
  }]
}
