# The promises of the facts. The tests run with the defaults, and again with
# settings/production.tfvars.

mock_provider "aws" {
  source = "./tests/mocks"
}

# Each resource of the facts has its own ARN, so that a right to another resource is seen.
override_resource {
  target = aws_kinesis_stream.facts
  values = { arn = "arn:aws:kinesis:eu-test-1:123456789012:stream/facts" }
}

override_resource {
  target = aws_dynamodb_table.announcements
  values = { arn = "arn:aws:dynamodb:eu-test-1:123456789012:table/announcements" }
}

override_resource {
  target = aws_sqs_queue.changes_discarded
  values = {
    arn = "arn:aws:sqs:eu-test-1:123456789012:changes"
    url = "https://sqs.eu-test-1.amazonaws.com/123456789012/changes"
  }
}

override_resource {
  target = aws_lambda_alias.notifier
  values = { arn = "arn:aws:lambda:eu-test-1:123456789012:function:notifier:live" }
}

override_resource {
  target = aws_lambda_event_source_mapping.notifier
  values = { uuid = "11111111-1111-4111-8111-111111111111" }
}

override_resource {
  target = aws_iam_policy.announce
  values = { arn = "arn:aws:iam::123456789012:policy/announce" }
}

override_resource {
  target = aws_cloudwatch_log_group.notifier
  values = { arn = "arn:aws:logs:eu-test-1:123456789012:log-group:notifier" }
}

# Tracing is on, because it adds a statement.
variables {
  tracing = true
}

run "no_change_is_lost_silently" {
  assert {
    condition     = aws_dynamodb_table.orders.stream_enabled && aws_dynamodb_table.orders.stream_view_type == "NEW_AND_OLD_IMAGES"
    error_message = "The change stream must have both images, because a fact follows from both."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.notifier[0].event_source_arn == aws_dynamodb_table.orders.stream_arn
    error_message = "The mapping must read the table's change stream."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.notifier[0].function_name == aws_lambda_alias.notifier[0].arn
    error_message = "The mapping must invoke the alias. Otherwise an update is not one step and cannot be rolled back."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.notifier[0].starting_position == "TRIM_HORIZON"
    error_message = "Changes that were made before the mapping reads must be announced."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.notifier[0].bisect_batch_on_function_error
    error_message = "A batch that kills the function must be split until the change at fault is alone."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.notifier[0].function_response_types == tolist(["ReportBatchItemFailures"])
    error_message = "Lambda must read the notifier's response."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.notifier[0].maximum_retry_attempts >= 0
    error_message = "Retries must be bounded, or a poison change holds its lane until the change expires."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.notifier[0].maximum_record_age_in_seconds < 24 * 3600
    error_message = "A change must be reported before the change stream forgets it."
  }

  assert {
    condition     = one(one(aws_lambda_event_source_mapping.notifier[0].destination_config).on_failure).destination_arn == aws_sqs_queue.changes_discarded[0].arn
    error_message = "Discards must be reported."
  }

  assert {
    condition     = one(aws_lambda_event_source_mapping.notifier[0].metrics_config).metrics == tolist(["EventCount"])
    error_message = "Discards must be counted."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.notifier[0].enabled
    error_message = "The mapping must be enabled unless somebody uses the stop switch."
  }
}

run "each_setting_of_the_facts_comes_from_the_pipelines_settings" {
  assert {
    condition = {
      batch_size                         = aws_lambda_event_source_mapping.notifier[0].batch_size
      maximum_batching_window_in_seconds = aws_lambda_event_source_mapping.notifier[0].maximum_batching_window_in_seconds
      parallelization_factor             = aws_lambda_event_source_mapping.notifier[0].parallelization_factor
      maximum_retry_attempts             = aws_lambda_event_source_mapping.notifier[0].maximum_retry_attempts
      maximum_record_age_in_seconds      = aws_lambda_event_source_mapping.notifier[0].maximum_record_age_in_seconds
      } == {
      batch_size                         = var.notifier_batch_size
      maximum_batching_window_in_seconds = var.notifier_batching_window_seconds
      parallelization_factor             = var.notifier_parallelization_factor
      maximum_retry_attempts             = var.notifier_maximum_retry_attempts
      maximum_record_age_in_seconds      = var.notifier_maximum_record_age_seconds
    }
    error_message = "Each setting of the mapping must be the notifier's own, and not the consumer's."
  }

  assert {
    condition     = aws_kinesis_stream.facts[0].retention_period == var.facts_retention_hours && aws_kinesis_stream.facts[0].shard_count == var.facts_shard_count && one(aws_kinesis_stream.facts[0].stream_mode_details).stream_mode == "PROVISIONED"
    error_message = "The stream of facts must have its own settings."
  }

  assert {
    condition     = aws_lambda_function.notifier[0].timeout == var.notifier_timeout_seconds && aws_lambda_function.notifier[0].memory_size == var.notifier_memory_mb
    error_message = "The settings of the notifier must be its own."
  }

  assert {
    condition = output.subscriber.settings == {
      batch_size                     = var.subscriber_batch_size
      batching_window_seconds        = var.subscriber_batching_window_seconds
      parallelization_factor         = var.subscriber_parallelization_factor
      starting_position              = var.subscriber_starting_position
      maximum_retry_attempts         = var.subscriber_maximum_retry_attempts
      maximum_record_age_seconds     = var.subscriber_maximum_record_age_seconds
      bisect_batch_on_function_error = var.subscriber_bisect_batch_on_function_error
      report_batch_item_failures     = var.subscriber_report_batch_item_failures
      timeout_seconds                = var.subscriber_timeout_seconds
      memory_mb                      = var.subscriber_memory_mb
    }
    error_message = "A subscriber must get the pipeline's settings."
  }
}

run "a_report_outlasts_the_change_that_it_names" {
  assert {
    condition     = aws_sqs_queue.changes_discarded[0].message_retention_seconds > 24 * 3600
    error_message = "The queue must keep a report longer than the change stream keeps the change."
  }
}

run "facts_are_encrypted_under_the_services_own_key" {
  assert {
    condition     = aws_kinesis_stream.facts[0].encryption_type == "KMS" && aws_kinesis_stream.facts[0].kms_key_id == aws_kms_key.orders[0].arn
    error_message = "The stream of facts must be encrypted, because it holds order content."
  }

  assert {
    condition     = one(aws_dynamodb_table.announcements[0].server_side_encryption).enabled && one(aws_dynamodb_table.announcements[0].server_side_encryption).kms_key_arn == aws_kms_key.orders[0].arn
    error_message = "The table of announcements must be encrypted."
  }

  assert {
    condition     = aws_sqs_queue.changes_discarded[0].kms_master_key_id == aws_kms_key.orders[0].arn
    error_message = "The queue must be encrypted."
  }

  assert {
    condition = jsondecode(aws_sqs_queue_policy.changes_discarded[0].policy).Statement == jsondecode(jsonencode([{
      Sid       = "OnlyEncryptedConnections"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = "arn:aws:sqs:eu-test-1:123456789012:changes"
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]))
    error_message = "The queue must refuse unencrypted connections."
  }

  assert {
    condition     = aws_cloudwatch_log_group.notifier[0].kms_key_id == aws_kms_key.orders[0].arn && aws_cloudwatch_log_group.notifier[0].retention_in_days == var.log_retention_days
    error_message = "The log must be encrypted, and kept no longer than asked for."
  }
}

run "the_marks_can_be_restored_and_not_be_deleted_by_mistake" {
  assert {
    condition     = one(aws_dynamodb_table.announcements[0].point_in_time_recovery).enabled && one(aws_dynamodb_table.announcements[0].point_in_time_recovery).recovery_period_in_days == var.point_in_time_recovery_days && aws_dynamodb_table.announcements[0].deletion_protection_enabled
    error_message = "The table must be protected."
  }

  assert {
    condition     = aws_dynamodb_table.announcements[0].billing_mode == "PAY_PER_REQUEST" && aws_dynamodb_table.announcements[0].hash_key == "order_id"
    error_message = "The table must have one item an order, and its capacity must be on demand."
  }

  assert {
    condition     = length(aws_dynamodb_table.announcements[0].ttl) == 0 && length(aws_dynamodb_table.announcements[0].replica) == 0 && !coalesce(aws_dynamodb_table.announcements[0].stream_enabled, false)
    error_message = "A mark must not expire, or announce would publish its fact again. A change stream here would have no reader."
  }
}

run "the_notifier_runs_as_it_is_built" {
  assert {
    condition = (
      aws_lambda_function.notifier[0].runtime == "provided.al2023" && aws_lambda_function.notifier[0].handler == "bootstrap"
      && aws_lambda_function.notifier[0].publish && aws_lambda_function.notifier[0].architectures == tolist([var.architecture])
      && aws_lambda_function.notifier[0].tracing_config[0].mode == "Active"
    )
    error_message = "Runtime, versions and tracing must be as documented."
  }

  assert {
    condition = aws_lambda_function.notifier[0].environment[0].variables == tomap({
      FACTS_STREAM_NAME        = "orders-facts"
      ANNOUNCEMENTS_TABLE_NAME = "orders-announcements"
      LOG_LEVEL                = "info"
    })
    error_message = "The notifier must publish to the stream of facts, and must mark in the table of announcements."
  }

  assert {
    condition     = aws_lambda_function.notifier[0].logging_config[0].log_format == "JSON" && aws_lambda_function.notifier[0].logging_config[0].application_log_level == "INFO" && aws_lambda_function.notifier[0].logging_config[0].log_group == aws_cloudwatch_log_group.notifier[0].name
    error_message = "Lambda's filter must let pass the lines that the notifier logs, and they must go to its own group."
  }

  assert {
    condition     = aws_lambda_alias.notifier[0].function_version == "7"
    error_message = "The alias must name the newest version unless one is pinned."
  }
}

run "the_notifier_reads_changes_and_publishes_facts" {
  assert {
    condition = jsondecode(aws_iam_role_policy.notifier[0].policy).Statement == jsondecode(jsonencode([
      {
        Sid      = "PollChanges", Effect = "Allow"
        Action   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
        Resource = "arn:aws:dynamodb:eu-test-1:123456789012:table/orders/stream/1"
      },
      { Sid = "FindChanges", Effect = "Allow", Action = "dynamodb:ListStreams", Resource = "arn:aws:dynamodb:eu-test-1:123456789012:table/orders/stream/*" },
      {
        Sid = "DecryptChanges", Effect = "Allow", Action = "kms:Decrypt", Resource = ["arn:aws:kms:eu-test-1:123456789012:key/k"]
        Condition = { StringEquals = {
          "kms:ViaService"                                  = "dynamodb.eu-test-1.amazonaws.com"
          "kms:EncryptionContext:aws:dynamodb:tableName"    = "orders"
          "kms:EncryptionContext:aws:dynamodb:subscriberId" = "123456789012"
        } }
      },
      { Sid = "PublishFacts", Effect = "Allow", Action = ["kinesis:PutRecord", "kinesis:PutRecords"], Resource = "arn:aws:kinesis:eu-test-1:123456789012:stream/facts" },
      {
        Sid = "EncryptFacts", Effect = "Allow", Action = "kms:GenerateDataKey", Resource = ["arn:aws:kms:eu-test-1:123456789012:key/k"]
        Condition = { StringEquals = {
          "kms:ViaService"                        = "kinesis.eu-test-1.amazonaws.com"
          "kms:EncryptionContext:aws:kinesis:arn" = "arn:aws:kinesis:eu-test-1:123456789012:stream/facts"
        } }
      },
      { Sid = "MarkFacts", Effect = "Allow", Action = "dynamodb:UpdateItem", Resource = "arn:aws:dynamodb:eu-test-1:123456789012:table/announcements" },
      {
        Sid = "DecryptAnnouncements", Effect = "Allow", Action = "kms:Decrypt", Resource = ["arn:aws:kms:eu-test-1:123456789012:key/k"]
        Condition = { StringEquals = {
          "kms:ViaService"                                  = "dynamodb.eu-test-1.amazonaws.com"
          "kms:EncryptionContext:aws:dynamodb:tableName"    = "orders-announcements"
          "kms:EncryptionContext:aws:dynamodb:subscriberId" = "123456789012"
        } }
      },
      { Sid = "WriteLog", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "arn:aws:logs:eu-test-1:123456789012:log-group:notifier:*" },
      { Sid = "KeepDiscards", Effect = "Allow", Action = "sqs:SendMessage", Resource = "arn:aws:sqs:eu-test-1:123456789012:changes" },
      {
        Sid = "EncryptDiscards", Effect = "Allow", Action = ["kms:GenerateDataKey", "kms:Decrypt"], Resource = ["arn:aws:kms:eu-test-1:123456789012:key/k"]
        Condition = { StringEquals = {
          "kms:ViaService"                    = "sqs.eu-test-1.amazonaws.com"
          "kms:EncryptionContext:aws:sqs:arn" = "arn:aws:sqs:eu-test-1:123456789012:changes"
        } }
      },
      { Sid = "Trace", Effect = "Allow", Action = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], Resource = "*" },
    ]))
    error_message = "The notifier's role is not as reviewed."
  }

  assert {
    condition = alltrue([for statement in jsondecode(aws_iam_role_policy.notifier[0].policy).Statement :
      startswith(statement.Resource, "${aws_dynamodb_table.orders.arn}/stream/") || statement.Resource == aws_dynamodb_table.announcements[0].arn
      if anytrue([for action in flatten([statement.Action]) : startswith(action, "dynamodb:")])
    ])
    error_message = "The notifier must have no right on the orders table itself, and on no table but the announcements."
  }

  assert {
    condition = jsondecode(aws_iam_role.notifier[0].assume_role_policy).Statement == jsondecode(jsonencode([
      { Sid = "LambdaOnly", Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" },
    ]))
    error_message = "Lambda and nobody else must be allowed to take the role."
  }
}

run "no_other_function_has_a_right_on_the_facts" {
  assert {
    condition = alltrue(flatten([for policy in [aws_iam_role_policy.api.policy, aws_iam_role_policy.consumer.policy] : [
      for statement in jsondecode(policy).Statement : !contains(flatten([statement.Resource]), aws_kinesis_stream.facts[0].arn) && !contains(flatten([statement.Resource]), aws_dynamodb_table.announcements[0].arn)
    ]]))
    error_message = "Neither the api nor the consumer may publish or mark facts."
  }
}

run "an_operator_may_run_announce_and_no_more" {
  assert {
    condition = jsondecode(aws_iam_policy.announce[0].policy).Statement == jsondecode(jsonencode([
      { Sid = "ReadOrders", Effect = "Allow", Action = ["dynamodb:Scan", "dynamodb:GetItem"], Resource = "arn:aws:dynamodb:eu-test-1:123456789012:table/orders" },
      {
        Sid = "DecryptOrders", Effect = "Allow", Action = "kms:Decrypt", Resource = ["arn:aws:kms:eu-test-1:123456789012:key/k"]
        Condition = { StringEquals = {
          "kms:ViaService"                                  = "dynamodb.eu-test-1.amazonaws.com"
          "kms:EncryptionContext:aws:dynamodb:tableName"    = "orders"
          "kms:EncryptionContext:aws:dynamodb:subscriberId" = "123456789012"
        } }
      },
      { Sid = "ReadAndMarkAnnouncements", Effect = "Allow", Action = ["dynamodb:GetItem", "dynamodb:UpdateItem"], Resource = "arn:aws:dynamodb:eu-test-1:123456789012:table/announcements" },
      {
        Sid = "DecryptAnnouncements", Effect = "Allow", Action = "kms:Decrypt", Resource = ["arn:aws:kms:eu-test-1:123456789012:key/k"]
        Condition = { StringEquals = {
          "kms:ViaService"                                  = "dynamodb.eu-test-1.amazonaws.com"
          "kms:EncryptionContext:aws:dynamodb:tableName"    = "orders-announcements"
          "kms:EncryptionContext:aws:dynamodb:subscriberId" = "123456789012"
        } }
      },
      { Sid = "PublishFacts", Effect = "Allow", Action = ["kinesis:PutRecord", "kinesis:PutRecords"], Resource = "arn:aws:kinesis:eu-test-1:123456789012:stream/facts" },
      {
        Sid = "EncryptFacts", Effect = "Allow", Action = "kms:GenerateDataKey", Resource = ["arn:aws:kms:eu-test-1:123456789012:key/k"]
        Condition = { StringEquals = {
          "kms:ViaService"                        = "kinesis.eu-test-1.amazonaws.com"
          "kms:EncryptionContext:aws:kinesis:arn" = "arn:aws:kinesis:eu-test-1:123456789012:stream/facts"
        } }
      },
    ]))
    error_message = "The operator's policy is not as reviewed."
  }

  assert {
    condition     = output.announce == "export TABLE_NAME=orders FACTS_STREAM_NAME=orders-facts ANNOUNCEMENTS_TABLE_NAME=orders-announcements" && output.announce_policy_arn == aws_iam_policy.announce[0].arn
    error_message = "An operator must be told what announce needs."
  }
}

run "the_outputs_of_the_facts_name_what_exists" {
  assert {
    condition     = output.facts_stream_arn == aws_kinesis_stream.facts[0].arn && output.subscriber.facts_stream_arn == aws_kinesis_stream.facts[0].arn && output.subscriber.facts_key_arn == aws_kms_key.orders[0].arn && output.subscriber.facts_retention_hours == var.facts_retention_hours
    error_message = "A subscriber must be able to find the stream and its key."
  }

  assert {
    condition     = output.table_stream_arn == aws_dynamodb_table.orders.stream_arn && output.changes_discard_queue_url == aws_sqs_queue.changes_discarded[0].url && output.notifier_mapping_id == "11111111-1111-4111-8111-111111111111" && output.notifier_function.alias == aws_lambda_alias.notifier[0].arn
    error_message = "An operator must be able to find the queue, the mapping and the function."
  }

  assert {
    condition     = output.facts_outage_budget_seconds == (var.notifier_maximum_retry_attempts + 1) * (var.notifier_timeout_seconds - 0.5)
    error_message = "The outage budget must be (retries + 1) × (timeout − 0.5 s)."
  }
}
