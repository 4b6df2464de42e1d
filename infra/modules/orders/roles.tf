# One role a function. Each statement is one sentence of the design. The api may only put into the
# stream, the reader may only read the table, and the consumer cannot write the stream. The reader's
# role is in reader.tf, and the notifier's in notifier.tf.
#
# AWS also makes calls on a function's behalf (polling, reporting discards, KMS, logs, tracing).
# Their rights are beside the rights for the calls of the function's code. A test of the workspace
# compares both with the code (tests/tests/infra).

locals {
  # Names of IAM belong to the account and not to a region, so they have the region in them.
  role_names = { for role in ["api", "reader", "consumer", "notifier"] : role => "${var.name}-${role}-${local.region}" }

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "LambdaOnly"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })

  # The key is good for nothing but this stream, this table and this destination, and only by way of
  # their services. The encryption contexts are documented in these places.
  #
  # - Kinesis, "Permissions to use user-generated KMS keys"
  # - DynamoDB, "DynamoDB encryption at rest: how it works"
  # - SQS, "Key management"
  # - S3, "Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys"
  through_kinesis = {
    StringEquals = {
      "kms:ViaService"                        = "kinesis.${local.region}.${local.dns_suffix}"
      "kms:EncryptionContext:aws:kinesis:arn" = aws_kinesis_stream.intents.arn
    }
  }
  through_dynamodb = {
    StringEquals = {
      "kms:ViaService"                                  = "dynamodb.${local.region}.${local.dns_suffix}"
      "kms:EncryptionContext:aws:dynamodb:tableName"    = aws_dynamodb_table.orders.name
      "kms:EncryptionContext:aws:dynamodb:subscriberId" = local.account
    }
  }
  through_sqs = {
    StringEquals = {
      "kms:ViaService"                    = "sqs.${local.region}.${local.dns_suffix}"
      "kms:EncryptionContext:aws:sqs:arn" = aws_sqs_queue.discarded.arn
    }
  }

  # X-Ray's actions take no resources.
  trace = [for on in [var.tracing] : {
    Sid      = "Trace"
    Effect   = "Allow"
    Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    Resource = "*"
  } if on]

  # The rights of the function that reads, which is the reader or, behind a function URL, the api.
  read_orders = [
    {
      Sid      = "ReadOrders"
      Effect   = "Allow"
      Action   = "dynamodb:GetItem"
      Resource = aws_dynamodb_table.orders.arn
    },
    {
      Sid       = "DecryptOrders"
      Effect    = "Allow"
      Action    = "kms:Decrypt"
      Resource  = local.usable_key_arns
      Condition = local.through_dynamodb
    },
  ]

  # In a VPC Lambda makes network interfaces with the function's role (Lambda developer guide,
  # "Giving Lambda functions access to resources in an Amazon VPC"). These actions take no
  # resources.
  network = [for on in [var.vpc != null] : {
    Sid      = "JoinNetwork"
    Effect   = "Allow"
    Action   = ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"]
    Resource = "*"
  } if on]

  keep_discards_in_archive = [for bucket in aws_s3_bucket.discarded : {
    Sid      = "ArchiveDiscards"
    Effect   = "Allow"
    Action   = "s3:PutObject"
    Resource = "${bucket.arn}/*"
  }]
  find_archive = [for bucket in aws_s3_bucket.discarded : {
    Sid      = "FindArchive"
    Effect   = "Allow"
    Action   = "s3:ListBucket"
    Resource = bucket.arn
  }]
  encrypt_discards_in_archive = [for bucket in aws_s3_bucket.discarded : {
    Sid      = "EncryptArchive"
    Effect   = "Allow"
    Action   = "kms:GenerateDataKey"
    Resource = local.usable_key_arns
    Condition = {
      StringEquals = {
        "kms:ViaService"                   = "s3.${local.region}.${local.dns_suffix}"
        "kms:EncryptionContext:aws:s3:arn" = bucket.arn
      }
    }
  }]
  subscribe = [for consumer in aws_kinesis_stream_consumer.fan_out : {
    Sid      = "SubscribeToIntents"
    Effect   = "Allow"
    Action   = ["kinesis:SubscribeToShard", "kinesis:DescribeStreamConsumer"]
    Resource = consumer.arn
  }]
}

resource "aws_iam_role" "api" {
  name                 = local.role_names.api
  description          = local.http_api ? "Puts intents into the stream." : "Puts intents into the stream and reads orders."
  assume_role_policy   = local.assume_role_policy
  permissions_boundary = var.permissions_boundary_arn

  # The name changes with the region. The function gets the new role before the old one is deleted.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_iam_role_policy" "api" {
  name = "api"
  role = aws_iam_role.api.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "PutIntents"
        Effect   = "Allow"
        Action   = ["kinesis:PutRecord", "kinesis:PutRecords"]
        Resource = aws_kinesis_stream.intents.arn
      },
      {
        Sid       = "EncryptIntents"
        Effect    = "Allow"
        Action    = "kms:GenerateDataKey"
        Resource  = local.usable_key_arns
        Condition = local.through_kinesis
      },
      {
        Sid      = "WriteLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.api.arn}:*"
      },
    ], [for statement in local.read_orders : statement if local.function_url], local.trace, local.network)
  })
}

resource "aws_iam_role" "consumer" {
  name                 = local.role_names.consumer
  description          = "Reads intents from the stream and writes orders."
  assume_role_policy   = local.assume_role_policy
  permissions_boundary = var.permissions_boundary_arn

  # The name changes with the region. The function gets the new role before the old one is deleted.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_iam_role_policy" "consumer" {
  name = "consumer"
  role = aws_iam_role.consumer.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid      = "PollIntents"
        Effect   = "Allow"
        Action   = ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
        Resource = aws_kinesis_stream.intents.arn
      },
      {
        Sid       = "DecryptIntents"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = local.usable_key_arns
        Condition = local.through_kinesis
      },
      {
        Sid      = "ApplyIntents"
        Effect   = "Allow"
        Action   = "dynamodb:UpdateItem"
        Resource = aws_dynamodb_table.orders.arn
      },
      {
        Sid       = "DecryptOrders"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = local.usable_key_arns
        Condition = local.through_dynamodb
      },
      {
        Sid      = "WriteLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.consumer.arn}:*"
      },
      # The role has this right also where the destination is the archive. Until a change of the
      # destination is done, Lambda still reports to the queue.
      {
        Sid      = "KeepDiscards"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = aws_sqs_queue.discarded.arn
      },
      {
        Sid       = "EncryptDiscards"
        Effect    = "Allow"
        Action    = ["kms:GenerateDataKey", "kms:Decrypt"]
        Resource  = local.usable_key_arns
        Condition = local.through_sqs
      },
      ],
      local.keep_discards_in_archive,
      local.find_archive,
      local.encrypt_discards_in_archive,
      local.subscribe,
      local.trace,
      local.network,
    )
  })
}
