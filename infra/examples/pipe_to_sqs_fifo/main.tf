# An EventBridge pipe from the stream of facts into a FIFO queue, for teams that want a queue. The
# sources are these pages of the EventBridge user guide.
#
# - "Amazon Kinesis stream as a source for EventBridge Pipes"
# - "Amazon EventBridge Pipes targets", for dynamic paths
# - "Amazon EventBridge Pipes input transformation", for the parsed body
# - "Amazon EventBridge Pipes batching and concurrency"

resource "aws_pipes_pipe" "facts" {
  name          = var.name
  description   = "Puts each fact of an order into a FIFO queue."
  role_arn      = aws_iam_role.pipe.arn
  source        = var.facts_stream_arn
  target        = aws_sqs_queue.facts.arn
  desired_state = "RUNNING"

  source_parameters {
    kinesis_stream_parameters {
      starting_position = "TRIM_HORIZON"
      # A target takes as many messages at once as SQS takes, which is ten.
      batch_size = 10
      # One batch of a shard is in flight. So the facts of an order stay in sequence, unless SQS
      # refuses some messages of a batch.
      parallelization_factor        = 1
      maximum_retry_attempts        = var.maximum_retry_attempts
      on_partial_batch_item_failure = "AUTOMATIC_BISECT"

      dead_letter_config {
        arn = aws_sqs_queue.discarded.arn
      }
    }
  }

  target_parameters {
    # Pipes decodes `data`, which Kinesis has in base64, and parses it as JSON. So a message is the
    # event itself, without the record around it.
    input_template = "<$.data>"

    sqs_queue_parameters {
      # The record's key is the order's id. The facts of an order are one group, in sequence.
      message_group_id = "$.partitionKey"
      # A repetition has the same event id. An id has at most 117 characters, and SQS takes 128.
      message_deduplication_id = "$.data.id"
    }
  }

  # A pipe that starts without its rights fails.
  depends_on = [aws_iam_role_policy.pipe]
}

# SQS takes the same message once in five minutes. A repetition that comes later is a new message,
# so a reader still acts by the event's id.
resource "aws_sqs_queue" "facts" {
  name                        = "${var.name}.fifo"
  fifo_queue                  = true
  content_based_deduplication = false
  # High throughput. Each order has the limits of a queue by itself.
  deduplication_scope        = "messageGroup"
  fifo_throughput_limit      = "perMessageGroupId"
  message_retention_seconds  = var.retention_seconds
  visibility_timeout_seconds = var.visibility_timeout_seconds
  kms_master_key_id          = aws_kms_key.pipe.arn
}

# A pipe's queue for reports is a standard queue. A report has the place of facts in the stream.
resource "aws_sqs_queue" "discarded" {
  name                       = "${var.name}-discarded"
  message_retention_seconds  = var.retention_seconds
  visibility_timeout_seconds = 300
  kms_master_key_id          = aws_kms_key.pipe.arn
}

resource "aws_sqs_queue_policy" "encrypted" {
  for_each = { facts = aws_sqs_queue.facts, discarded = aws_sqs_queue.discarded }

  queue_url = each.value.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyEncryptedConnections"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = each.value.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_kms_key" "pipe" {
  description             = "The key of ${var.name} for queued facts and discards"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AccountDelegatesThroughIam"
      Effect    = "Allow"
      Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}

resource "aws_iam_role" "pipe" {
  name        = "${var.name}-pipe-${local.region}"
  description = "Reads facts and puts them into a queue."
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "ThisPipeOnly"
      Effect    = "Allow"
      Principal = { Service = "pipes.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = {
          "aws:SourceAccount" = local.account
          "aws:SourceArn"     = "arn:${local.partition}:pipes:${local.region}:${local.account}:pipe/${var.name}"
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "pipe" {
  name = "pipe"
  role = aws_iam_role.pipe.id
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
      {
        Sid      = "QueueFactsAndDiscards"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = [aws_sqs_queue.facts.arn, aws_sqs_queue.discarded.arn]
      },
      {
        Sid      = "EncryptFactsAndDiscards"
        Effect   = "Allow"
        Action   = ["kms:GenerateDataKey", "kms:Decrypt"]
        Resource = aws_kms_key.pipe.arn
        Condition = {
          StringEquals = {
            "kms:ViaService"                    = "sqs.${local.region}.${local.dns_suffix}"
            "kms:EncryptionContext:aws:sqs:arn" = [aws_sqs_queue.facts.arn, aws_sqs_queue.discarded.arn]
          }
        }
      },
    ]
  })
}
