# The rights of the person who is paged. They are the commands of docs/runbook.md, and a test of the
# workspace compares the two. They read logs, metrics and discards, stop and start the mappings, put
# discards back, move aliases between versions, and turn callers away. They read no order from the
# table.

locals {
  log_groups = merge(
    { api = aws_cloudwatch_log_group.api, consumer = aws_cloudwatch_log_group.consumer },
    { for group in aws_cloudwatch_log_group.reader : "reader" => group },
    { for group in aws_cloudwatch_log_group.notifier : "notifier" => group },
    { for group in aws_cloudwatch_log_group.access : "access" => group },
  )
  mappings  = concat([aws_lambda_event_source_mapping.consumer], aws_lambda_event_source_mapping.notifier)
  functions = concat([aws_lambda_function.api, aws_lambda_function.consumer], aws_lambda_function.reader, aws_lambda_function.notifier)
  queues    = concat([aws_sqs_queue.discarded], aws_sqs_queue.changes_discarded)
  streams   = concat([aws_kinesis_stream.intents], aws_kinesis_stream.facts)

  read_archive = [for bucket in aws_s3_bucket.discarded : {
    Sid      = "FindArchive"
    Effect   = "Allow"
    Action   = "s3:ListBucket"
    Resource = bucket.arn
  }]
  empty_archive = [for bucket in aws_s3_bucket.discarded : {
    Sid      = "ReadAndEmptyArchive"
    Effect   = "Allow"
    Action   = ["s3:GetObject", "s3:DeleteObject"]
    Resource = "${bucket.arn}/*"
  }]
}

resource "aws_iam_policy" "operator" {
  name        = "${var.name}-operator-${local.region}"
  description = "The rights for the commands of the runbook of ${var.name}."
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        # CloudWatch's reading actions, and the lists of queries and of mappings, take no resource.
        Sid      = "Look"
        Effect   = "Allow"
        Action   = ["cloudwatch:GetMetricData", "cloudwatch:ListMetrics", "cloudwatch:DescribeAlarms", "cloudwatch:DescribeAlarmHistory", "logs:DescribeLogGroups", "logs:DescribeQueryDefinitions", "logs:GetQueryResults", "lambda:ListEventSourceMappings"]
        Resource = "*"
      },
      {
        Sid      = "SeeDashboard"
        Effect   = "Allow"
        Action   = "cloudwatch:GetDashboard"
        Resource = "arn:${local.partition}:cloudwatch::${local.account}:dashboard/${aws_cloudwatch_dashboard.pipeline.dashboard_name}"
      },
      {
        Sid      = "DrillAlarms"
        Effect   = "Allow"
        Action   = "cloudwatch:SetAlarmState"
        Resource = "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${var.name}-*"
      },
      {
        Sid      = "ReadLogs"
        Effect   = "Allow"
        Action   = ["logs:StartQuery", "logs:FilterLogEvents"]
        Resource = [for group in values(local.log_groups) : "${group.arn}:*"]
      },
      {
        Sid      = "StopAndStartMappings"
        Effect   = "Allow"
        Action   = ["lambda:GetEventSourceMapping", "lambda:UpdateEventSourceMapping"]
        Resource = [for mapping in local.mappings : "arn:${local.partition}:lambda:${local.region}:${local.account}:event-source-mapping:${mapping.uuid}"]
      },
      {
        Sid      = "LimitFunctions"
        Effect   = "Allow"
        Action   = ["lambda:GetFunctionConcurrency", "lambda:PutFunctionConcurrency", "lambda:DeleteFunctionConcurrency"]
        Resource = local.functions[*].arn
      },
      {
        Sid      = "MoveAliases"
        Effect   = "Allow"
        Action   = ["lambda:ListVersionsByFunction", "lambda:GetAlias", "lambda:UpdateAlias"]
        Resource = local.functions[*].arn
      },
      {
        Sid      = "KeepRecordsLonger"
        Effect   = "Allow"
        Action   = ["kinesis:DescribeStreamSummary", "kinesis:IncreaseStreamRetentionPeriod"]
        Resource = local.streams[*].arn
      },
      {
        Sid      = "PutBack"
        Effect   = "Allow"
        Action   = ["kinesis:GetShardIterator", "kinesis:GetRecords", "kinesis:PutRecord"]
        Resource = aws_kinesis_stream.intents.arn
      },
      {
        Sid       = "DecryptAndEncryptIntents"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = local.usable_key_arns
        Condition = local.through_kinesis
      },
      {
        Sid      = "ReadAndEmptyQueues"
        Effect   = "Allow"
        Action   = ["sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:PurgeQueue"]
        Resource = local.queues[*].arn
      },
      {
        Sid      = "DecryptDiscards"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = local.usable_key_arns
        Condition = {
          StringEquals = { "kms:ViaService" = ["sqs.${local.region}.${local.dns_suffix}", "s3.${local.region}.${local.dns_suffix}"] }
        }
      },
    ], local.read_archive, local.empty_archive)
  })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_iam_role" "operator" {
  count = length(var.operator_principal_arns) > 0 ? 1 : 0

  name                 = "${var.name}-operator-${local.region}"
  description          = "The person who is paged."
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Operators"
      Effect    = "Allow"
      Principal = { AWS = var.operator_principal_arns }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "operator" {
  count = length(var.operator_principal_arns) > 0 ? 1 : 0

  role       = aws_iam_role.operator[0].name
  policy_arn = aws_iam_policy.operator.arn
}

# An inline policy that somebody adds to a role by hand is removed by the next apply.
resource "aws_iam_role_policies_exclusive" "functions" {
  for_each = merge(
    { api = [aws_iam_role.api.name, aws_iam_role_policy.api.name], consumer = [aws_iam_role.consumer.name, aws_iam_role_policy.consumer.name] },
    { for policy in aws_iam_role_policy.reader : "reader" => [aws_iam_role.reader[0].name, policy.name] },
    { for policy in aws_iam_role_policy.notifier : "notifier" => [aws_iam_role.notifier[0].name, policy.name] },
    { for role in aws_iam_role.operator : "operator" => [role.name] },
  )

  role_name    = each.value[0]
  policy_names = slice(each.value, 1, length(each.value))
}
