# The subscriber's key and role. The statements have the form of those in infra/roles.tf.

locals {
  log_group_name = "/aws/lambda/${var.name}"
}

resource "aws_kms_key" "shipping" {
  description             = "The key of ${var.name} for shipments, locks, discards and logs"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AccountDelegatesThroughIam"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "LogOfThisSubscriber"
        Effect    = "Allow"
        Principal = { Service = "logs.${local.region}.${local.dns_suffix}" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
        Resource  = "*"
        Condition = {
          ArnEquals = {
            "kms:EncryptionContext:aws:logs:arn" = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${local.log_group_name}"
          }
        }
      },
    ]
  })
}

resource "aws_iam_role" "shipping" {
  name        = "${var.name}-${local.region}"
  description = "Reads facts and books shipments."
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "LambdaOnly"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "shipping" {
  name = "shipping"
  role = aws_iam_role.shipping.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "PollFacts"
        Effect   = "Allow"
        Action   = ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
        Resource = var.facts_stream_arn
      },
      {
        Sid      = "DecryptFacts"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = concat([var.facts_key_arn], var.other_facts_key_arns)
        Condition = {
          StringEquals = {
            "kms:ViaService"                        = "kinesis.${local.region}.${local.dns_suffix}"
            "kms:EncryptionContext:aws:kinesis:arn" = var.facts_stream_arn
          }
        }
      },
      # A transaction needs the rights of the writes that it consists of (DynamoDB developer guide,
      # "Using IAM with DynamoDB transactions").
      {
        Sid      = "BookShipments"
        Effect   = "Allow"
        Action   = "dynamodb:PutItem"
        Resource = aws_dynamodb_table.shipments.arn
      },
      {
        Sid      = "HoldLeases"
        Effect   = "Allow"
        Action   = "dynamodb:UpdateItem"
        Resource = aws_dynamodb_table.locks.arn
      },
      {
        Sid      = "DecryptTables"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = aws_kms_key.shipping.arn
        Condition = {
          StringEquals = {
            "kms:ViaService"                                  = "dynamodb.${local.region}.${local.dns_suffix}"
            "kms:EncryptionContext:aws:dynamodb:tableName"    = [aws_dynamodb_table.shipments.name, aws_dynamodb_table.locks.name]
            "kms:EncryptionContext:aws:dynamodb:subscriberId" = local.account
          }
        }
      },
      {
        Sid      = "WriteLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.shipping.arn}:*"
      },
      {
        Sid      = "KeepDiscards"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = aws_sqs_queue.facts_discarded.arn
      },
      {
        Sid      = "EncryptDiscards"
        Effect   = "Allow"
        Action   = ["kms:GenerateDataKey", "kms:Decrypt"]
        Resource = aws_kms_key.shipping.arn
        Condition = {
          StringEquals = {
            "kms:ViaService"                    = "sqs.${local.region}.${local.dns_suffix}"
            "kms:EncryptionContext:aws:sqs:arn" = aws_sqs_queue.facts_discarded.arn
          }
        }
      },
    ]
  })
}
