# The promises of the pipe.

mock_provider "aws" {
  source = "../../modules/orders/tests/mocks"
}

override_resource {
  target = aws_sqs_queue.facts
  values = { arn = "arn:aws:sqs:eu-test-1:123456789012:facts.fifo" }
}

override_resource {
  target = aws_kms_key.pipe
  values = { arn = "arn:aws:kms:eu-test-1:123456789012:key/own" }
}

override_resource {
  target = aws_iam_role.pipe
  values = { arn = "arn:aws:iam::123456789012:role/pipe" }
}

variables {
  facts_stream_arn     = "arn:aws:kinesis:eu-test-1:123456789012:stream/facts"
  facts_key_arn        = "arn:aws:kms:eu-test-1:123456789012:key/facts"
  other_facts_key_arns = ["arn:aws:kms:eu-test-1:123456789012:key/former"]
}

run "each_fact_becomes_one_message_in_the_sequence_of_its_order" {
  assert {
    condition     = aws_pipes_pipe.facts.source == var.facts_stream_arn && aws_pipes_pipe.facts.target == aws_sqs_queue.facts.arn && aws_pipes_pipe.facts.desired_state == "RUNNING"
    error_message = "The pipe must go from the stream of facts into the FIFO queue."
  }

  assert {
    condition     = one(one(aws_pipes_pipe.facts.target_parameters).sqs_queue_parameters).message_group_id == "$.partitionKey"
    error_message = "The facts of an order must be one group."
  }

  assert {
    condition     = one(one(aws_pipes_pipe.facts.target_parameters).sqs_queue_parameters).message_deduplication_id == "$.data.id" && !aws_sqs_queue.facts.content_based_deduplication
    error_message = "A message must be deduplicated by the event's id, because a repetition may have other content."
  }

  assert {
    condition     = one(aws_pipes_pipe.facts.target_parameters).input_template == "<$.data>"
    error_message = "The body of a message must be the event."
  }

  assert {
    condition     = aws_sqs_queue.facts.fifo_queue && endswith(aws_sqs_queue.facts.name, ".fifo") && aws_sqs_queue.facts.deduplication_scope == "messageGroup" && aws_sqs_queue.facts.fifo_throughput_limit == "perMessageGroupId"
    error_message = "The queue must be FIFO, and each order must have its own throughput."
  }
}

run "no_fact_is_lost_silently" {
  assert {
    condition = {
      starting_position             = one(one(aws_pipes_pipe.facts.source_parameters).kinesis_stream_parameters).starting_position
      batch_size                    = one(one(aws_pipes_pipe.facts.source_parameters).kinesis_stream_parameters).batch_size
      parallelization_factor        = one(one(aws_pipes_pipe.facts.source_parameters).kinesis_stream_parameters).parallelization_factor
      maximum_retry_attempts        = one(one(aws_pipes_pipe.facts.source_parameters).kinesis_stream_parameters).maximum_retry_attempts
      on_partial_batch_item_failure = one(one(aws_pipes_pipe.facts.source_parameters).kinesis_stream_parameters).on_partial_batch_item_failure
      destination                   = one(one(one(aws_pipes_pipe.facts.source_parameters).kinesis_stream_parameters).dead_letter_config).arn
      } == {
      starting_position             = "TRIM_HORIZON"
      batch_size                    = 10
      parallelization_factor        = 1
      maximum_retry_attempts        = 10
      on_partial_batch_item_failure = "AUTOMATIC_BISECT"
      destination                   = aws_sqs_queue.discarded.arn
    }
    error_message = "The pipe must read from the beginning, bisect, and report its discards."
  }

  assert {
    condition     = aws_sqs_queue.discarded.fifo_queue != true && aws_sqs_queue.discarded.message_retention_seconds > 86400
    error_message = "Reports must go to a standard queue that keeps them longer than the least retention of a stream."
  }
}

run "everything_is_encrypted" {
  assert {
    condition     = aws_sqs_queue.facts.kms_master_key_id == aws_kms_key.pipe.arn && aws_sqs_queue.discarded.kms_master_key_id == aws_kms_key.pipe.arn && aws_kms_key.pipe.enable_key_rotation
    error_message = "Both queues must be encrypted, because facts hold order content."
  }

  assert {
    condition = { for name, policy in aws_sqs_queue_policy.encrypted : name => jsondecode(policy.policy).Statement } == jsondecode(jsonencode({
      for name, arn in { facts = "arn:aws:sqs:eu-test-1:123456789012:facts.fifo", discarded = "arn:aws:sqs:eu-test-1:123456789012:discarded" } : name => [{
        Sid       = "OnlyEncryptedConnections", Effect = "Deny", Principal = "*", Action = "sqs:*", Resource = arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }]
    }))
    error_message = "Both queues must refuse unencrypted connections."
  }
}

run "the_pipe_reads_facts_and_writes_its_two_queues" {
  assert {
    condition = jsondecode(aws_iam_role_policy.pipe.policy).Statement == jsondecode(jsonencode([
      {
        Sid      = "PollFacts", Effect = "Allow"
        Action   = ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
        Resource = "arn:aws:kinesis:eu-test-1:123456789012:stream/facts"
      },
      {
        Sid = "DecryptFacts", Effect = "Allow", Action = "kms:Decrypt", Resource = ["arn:aws:kms:eu-test-1:123456789012:key/facts", "arn:aws:kms:eu-test-1:123456789012:key/former"]
        Condition = { StringEquals = {
          "kms:ViaService"                        = "kinesis.eu-test-1.amazonaws.com"
          "kms:EncryptionContext:aws:kinesis:arn" = "arn:aws:kinesis:eu-test-1:123456789012:stream/facts"
        } }
      },
      { Sid = "QueueFactsAndDiscards", Effect = "Allow", Action = "sqs:SendMessage", Resource = ["arn:aws:sqs:eu-test-1:123456789012:facts.fifo", "arn:aws:sqs:eu-test-1:123456789012:discarded"] },
      {
        Sid = "EncryptFactsAndDiscards", Effect = "Allow", Action = ["kms:GenerateDataKey", "kms:Decrypt"], Resource = "arn:aws:kms:eu-test-1:123456789012:key/own"
        Condition = { StringEquals = {
          "kms:ViaService"                    = "sqs.eu-test-1.amazonaws.com"
          "kms:EncryptionContext:aws:sqs:arn" = ["arn:aws:sqs:eu-test-1:123456789012:facts.fifo", "arn:aws:sqs:eu-test-1:123456789012:discarded"]
        } }
      },
    ]))
    error_message = "The pipe's role is not as reviewed."
  }

  assert {
    condition = jsondecode(aws_iam_role.pipe.assume_role_policy).Statement == jsondecode(jsonencode([{
      Sid = "ThisPipeOnly", Effect = "Allow", Principal = { Service = "pipes.amazonaws.com" }, Action = "sts:AssumeRole"
      Condition = { StringEquals = {
        "aws:SourceAccount" = "123456789012"
        "aws:SourceArn"     = "arn:aws:pipes:eu-test-1:123456789012:pipe/order-facts"
      } }
    }]))
    error_message = "This pipe and nobody else must be allowed to take the role."
  }
}

run "wrong_inputs_are_refused" {
  command = plan

  variables {
    facts_stream_arn           = "order-facts"
    facts_key_arn              = "alias/orders"
    name                       = "Facts"
    maximum_retry_attempts     = -1
    retention_seconds          = 86400
    visibility_timeout_seconds = 43201
  }

  expect_failures = [
    var.facts_stream_arn, var.facts_key_arn, var.name, var.maximum_retry_attempts, var.retention_seconds, var.visibility_timeout_seconds,
  ]
}
