# The promises of the subscriber, with the settings of the pipeline.

mock_provider "aws" {
  source = "../../modules/orders/tests/mocks"
}

override_resource {
  target = aws_dynamodb_table.locks
  values = { arn = "arn:aws:dynamodb:eu-test-1:123456789012:table/locks" }
}

override_resource {
  target = aws_dynamodb_table.shipments
  values = { arn = "arn:aws:dynamodb:eu-test-1:123456789012:table/shipments" }
}

override_resource {
  target = aws_sqs_queue.facts_discarded
  values = { arn = "arn:aws:sqs:eu-test-1:123456789012:facts" }
}

override_resource {
  target = aws_kms_key.shipping
  values = { arn = "arn:aws:kms:eu-test-1:123456789012:key/own" }
}

variables {
  facts_stream_arn      = "arn:aws:kinesis:eu-test-1:123456789012:stream/facts"
  facts_key_arn         = "arn:aws:kms:eu-test-1:123456789012:key/facts"
  other_facts_key_arns  = ["arn:aws:kms:eu-test-1:123456789012:key/former"]
  facts_retention_hours = 24
  settings = {
    for name, value in jsondecode(file("../../pipeline.auto.tfvars.json")) : trimprefix(name, "subscriber_") => value if startswith(name, "subscriber_")
  }
}

run "no_fact_is_lost_silently" {
  assert {
    condition     = aws_lambda_event_source_mapping.shipping.event_source_arn == var.facts_stream_arn && aws_lambda_event_source_mapping.shipping.function_name == aws_lambda_alias.shipping.arn
    error_message = "The mapping must read the stream of facts, and must invoke the alias."
  }

  assert {
    condition = {
      batch_size                         = aws_lambda_event_source_mapping.shipping.batch_size
      maximum_batching_window_in_seconds = aws_lambda_event_source_mapping.shipping.maximum_batching_window_in_seconds
      parallelization_factor             = aws_lambda_event_source_mapping.shipping.parallelization_factor
      starting_position                  = aws_lambda_event_source_mapping.shipping.starting_position
      maximum_retry_attempts             = aws_lambda_event_source_mapping.shipping.maximum_retry_attempts
      maximum_record_age_in_seconds      = aws_lambda_event_source_mapping.shipping.maximum_record_age_in_seconds
      } == {
      batch_size                         = 100
      maximum_batching_window_in_seconds = 0
      parallelization_factor             = 1
      starting_position                  = "TRIM_HORIZON"
      maximum_retry_attempts             = 10
      maximum_record_age_in_seconds      = -1
    }
    error_message = "The mapping must have the settings of the pipeline."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.shipping.bisect_batch_on_function_error && aws_lambda_event_source_mapping.shipping.function_response_types == tolist(["ReportBatchItemFailures"])
    error_message = "The mapping must bisect, and Lambda must read the subscriber's response."
  }

  assert {
    condition     = one(one(aws_lambda_event_source_mapping.shipping.destination_config).on_failure).destination_arn == aws_sqs_queue.facts_discarded.arn && one(aws_lambda_event_source_mapping.shipping.metrics_config).metrics == tolist(["EventCount"])
    error_message = "Discards must be reported and counted."
  }

  assert {
    condition     = aws_lambda_function.shipping.timeout == 30 && aws_lambda_function.shipping.memory_size == 256
    error_message = "The function must have the settings of the pipeline."
  }

  assert {
    condition     = aws_sqs_queue.facts_discarded.message_retention_seconds > var.facts_retention_hours * 3600
    error_message = "The queue must keep a report longer than the stream keeps the fact."
  }
}

run "the_locks_expire_and_the_shipments_do_not" {
  assert {
    condition     = one(aws_dynamodb_table.locks.ttl).enabled && one(aws_dynamodb_table.locks.ttl).attribute_name == "ttl" && aws_dynamodb_table.locks.hash_key == "id"
    error_message = "The table of locks must be as crates/idempotency needs it."
  }

  assert {
    condition     = length(aws_dynamodb_table.shipments.ttl) == 0 && aws_dynamodb_table.shipments.hash_key == "order_id" && aws_dynamodb_table.shipments.deletion_protection_enabled && one(aws_dynamodb_table.shipments.point_in_time_recovery).enabled
    error_message = "A shipment must stay, because it shows that it was booked."
  }
}

run "everything_is_encrypted_under_the_subscribers_key" {
  assert {
    condition = alltrue([
      one(aws_dynamodb_table.locks.server_side_encryption).kms_key_arn == aws_kms_key.shipping.arn,
      one(aws_dynamodb_table.shipments.server_side_encryption).kms_key_arn == aws_kms_key.shipping.arn,
      aws_sqs_queue.facts_discarded.kms_master_key_id == aws_kms_key.shipping.arn,
      aws_cloudwatch_log_group.shipping.kms_key_id == aws_kms_key.shipping.arn,
      aws_kms_key.shipping.enable_key_rotation,
    ])
    error_message = "Tables, queue and log must be encrypted under the subscriber's key."
  }

  assert {
    condition = [for statement in jsondecode(aws_kms_key.shipping.policy).Statement : statement.Condition.ArnEquals["kms:EncryptionContext:aws:logs:arn"] if statement.Sid == "LogOfThisSubscriber"] == [
      "arn:aws:logs:eu-test-1:123456789012:log-group:${aws_cloudwatch_log_group.shipping.name}",
    ]
    error_message = "The key must be open to the function's own log and no other."
  }
}

run "the_subscriber_reads_facts_and_books_shipments" {
  assert {
    condition = jsondecode(aws_iam_role_policy.shipping.policy).Statement == jsondecode(jsonencode([
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
      { Sid = "BookShipments", Effect = "Allow", Action = "dynamodb:PutItem", Resource = "arn:aws:dynamodb:eu-test-1:123456789012:table/shipments" },
      { Sid = "HoldLeases", Effect = "Allow", Action = "dynamodb:UpdateItem", Resource = "arn:aws:dynamodb:eu-test-1:123456789012:table/locks" },
      {
        Sid = "DecryptTables", Effect = "Allow", Action = "kms:Decrypt", Resource = "arn:aws:kms:eu-test-1:123456789012:key/own"
        Condition = { StringEquals = {
          "kms:ViaService"                                  = "dynamodb.eu-test-1.amazonaws.com"
          "kms:EncryptionContext:aws:dynamodb:tableName"    = ["shipping-shipments", "shipping-locks"]
          "kms:EncryptionContext:aws:dynamodb:subscriberId" = "123456789012"
        } }
      },
      { Sid = "WriteLog", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "arn:aws:logs:eu-test-1:123456789012:log-group:g:*" },
      { Sid = "KeepDiscards", Effect = "Allow", Action = "sqs:SendMessage", Resource = "arn:aws:sqs:eu-test-1:123456789012:facts" },
      {
        Sid = "EncryptDiscards", Effect = "Allow", Action = ["kms:GenerateDataKey", "kms:Decrypt"], Resource = "arn:aws:kms:eu-test-1:123456789012:key/own"
        Condition = { StringEquals = {
          "kms:ViaService"                    = "sqs.eu-test-1.amazonaws.com"
          "kms:EncryptionContext:aws:sqs:arn" = "arn:aws:sqs:eu-test-1:123456789012:facts"
        } }
      },
    ]))
    error_message = "The subscriber's role is not as reviewed."
  }
}

run "settings_that_lose_facts_are_refused" {
  command = plan

  variables {
    settings = {
      batch_size                     = 100
      batching_window_seconds        = 0
      parallelization_factor         = 1
      starting_position              = "LATEST"
      maximum_retry_attempts         = 10
      maximum_record_age_seconds     = -1
      bisect_batch_on_function_error = true
      report_batch_item_failures     = true
      timeout_seconds                = 30
      memory_mb                      = 256
    }
  }

  expect_failures = [var.settings]
}

run "a_report_that_goes_before_its_fact_is_refused" {
  command = plan

  variables {
    facts_retention_hours = 336
  }

  expect_failures = [var.facts_retention_hours]
}

run "words_that_aws_does_not_know_are_refused" {
  command = plan

  variables {
    facts_stream_arn        = "order-facts"
    facts_key_arn           = "alias/orders"
    package                 = "../../../dist/shipping"
    name                    = "Shipping"
    architecture            = "riscv"
    log_level               = "loud"
    queue_retention_seconds = 1209601
    log_retention_days      = 2
    reserved_concurrency    = 0
  }

  expect_failures = [
    var.facts_stream_arn, var.facts_key_arn, var.package, var.name, var.architecture, var.log_level, var.queue_retention_seconds,
    var.log_retention_days, var.reserved_concurrency,
  ]
}
