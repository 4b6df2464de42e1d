# The promises of every setting. The tests run with the defaults, and again with
# settings/production.tfvars.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "the_mapping_loses_nothing_silently" {
  assert {
    condition     = aws_lambda_event_source_mapping.consumer.bisect_batch_on_function_error
    error_message = "A batch that kills the function must be split until the record at fault is alone."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.consumer.function_response_types == tolist(["ReportBatchItemFailures"])
    error_message = "Lambda must read the consumer's response."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.consumer.starting_position == "TRIM_HORIZON"
    error_message = "Intents that were accepted before the mapping reads must be applied."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.consumer.maximum_retry_attempts >= 0
    error_message = "Retries must be bounded, or a poison record holds up its shard until the record expires."
  }

  assert {
    condition     = one(one(aws_lambda_event_source_mapping.consumer.destination_config).on_failure).destination_arn == local.discard_destination_arn && local.discard_destination_arn != null
    error_message = "Discards must be reported."
  }

  assert {
    condition     = one(aws_lambda_event_source_mapping.consumer.metrics_config).metrics == tolist(["EventCount"])
    error_message = "Discards must be counted."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.consumer.event_source_arn == aws_kinesis_stream.intents.arn
    error_message = "The mapping must read the stream of intents."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.consumer.function_name == aws_lambda_alias.consumer.arn
    error_message = "The mapping must invoke the alias. Otherwise an update is not one step and cannot be rolled back."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.consumer.enabled
    error_message = "The mapping must be enabled unless somebody uses the stop switch."
  }
}

run "the_mapping_has_every_setting_of_the_pipeline" {
  assert {
    condition = {
      batch_size                         = aws_lambda_event_source_mapping.consumer.batch_size
      maximum_batching_window_in_seconds = aws_lambda_event_source_mapping.consumer.maximum_batching_window_in_seconds
      parallelization_factor             = aws_lambda_event_source_mapping.consumer.parallelization_factor
      maximum_retry_attempts             = aws_lambda_event_source_mapping.consumer.maximum_retry_attempts
      maximum_record_age_in_seconds      = aws_lambda_event_source_mapping.consumer.maximum_record_age_in_seconds
      } == {
      batch_size                         = var.batch_size
      maximum_batching_window_in_seconds = var.batching_window_seconds
      parallelization_factor             = var.parallelization_factor
      maximum_retry_attempts             = var.maximum_retry_attempts
      maximum_record_age_in_seconds      = var.maximum_record_age_seconds
    }
    error_message = "Each setting of the mapping must come from the pipeline's settings."
  }

  assert {
    condition     = aws_kinesis_stream.intents.retention_period == var.retention_hours && aws_kinesis_stream.intents.shard_count == var.shard_count
    error_message = "The settings of the stream must come from the pipeline's settings."
  }

  assert {
    condition     = aws_lambda_function.api.timeout == var.api_timeout_seconds && aws_lambda_function.api.memory_size == var.api_memory_mb
    error_message = "The settings of the api must come from the pipeline's settings."
  }

  assert {
    condition     = aws_lambda_function.consumer.timeout == var.consumer_timeout_seconds && aws_lambda_function.consumer.memory_size == var.consumer_memory_mb
    error_message = "The settings of the consumer must come from the pipeline's settings."
  }

  assert {
    condition     = aws_lambda_function.consumer.environment[0].variables.MAX_IN_FLIGHT == tostring(var.consumer_max_in_flight)
    error_message = "The consumer's concurrency must come from the pipeline's settings."
  }
}

run "everything_is_encrypted_under_the_services_own_key" {
  assert {
    condition     = aws_kms_key.orders[0].enable_key_rotation
    error_message = "The key must be rotated."
  }

  assert {
    condition     = aws_kinesis_stream.intents.encryption_type == "KMS" && aws_kinesis_stream.intents.kms_key_id == aws_kms_key.orders[0].arn
    error_message = "The stream must be encrypted, because it holds order content."
  }

  assert {
    condition     = one(aws_dynamodb_table.orders.server_side_encryption).enabled && one(aws_dynamodb_table.orders.server_side_encryption).kms_key_arn == aws_kms_key.orders[0].arn
    error_message = "The table must be encrypted, because it holds order content."
  }

  assert {
    condition     = aws_sqs_queue.discarded.kms_master_key_id == aws_kms_key.orders[0].arn
    error_message = "The queue must be encrypted."
  }

  assert {
    condition = jsondecode(aws_sqs_queue_policy.discarded.policy).Statement == jsondecode(jsonencode([{
      Sid       = "OnlyEncryptedConnections"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = "arn:aws:sqs:eu-test-1:123456789012:discarded"
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]))
    error_message = "The queue must refuse unencrypted connections."
  }

  assert {
    condition = length(aws_s3_bucket.discarded) == length(aws_s3_bucket_server_side_encryption_configuration.discarded) && alltrue(flatten([
      for encryption in aws_s3_bucket_server_side_encryption_configuration.discarded : [for rule in encryption.rule :
        rule.bucket_key_enabled && one(rule.apply_server_side_encryption_by_default).sse_algorithm == "aws:kms" && one(rule.apply_server_side_encryption_by_default).kms_master_key_id == aws_kms_key.orders[0].arn
    ]]))
    error_message = "The archive must be encrypted, because it holds order content."
  }

  assert {
    condition     = alltrue([for group in concat([aws_cloudwatch_log_group.api, aws_cloudwatch_log_group.consumer], aws_cloudwatch_log_group.access) : group.kms_key_id == aws_kms_key.orders[0].arn && group.retention_in_days == var.log_retention_days])
    error_message = "Logs must be encrypted, and kept no longer than asked for."
  }

  assert {
    condition     = alltrue([for topic in aws_sns_topic.alarms : topic.kms_master_key_id == aws_kms_key.orders[0].arn])
    error_message = "The topic must be encrypted."
  }
}

run "the_keys_policy_says_this_and_no_more" {
  assert {
    condition = jsondecode(aws_kms_key.orders[0].policy).Statement == jsondecode(jsonencode([
      {
        Sid       = "AccountDelegatesThroughIam"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::123456789012:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "LogsOfThisService"
        Effect    = "Allow"
        Principal = { Service = "logs.eu-test-1.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
        Resource  = "*"
        Condition = { ArnEquals = { "kms:EncryptionContext:aws:logs:arn" = [
          "arn:aws:logs:eu-test-1:123456789012:log-group:/aws/apigateway/orders",
          "arn:aws:logs:eu-test-1:123456789012:log-group:/aws/lambda/orders-api",
          "arn:aws:logs:eu-test-1:123456789012:log-group:/aws/lambda/orders-consumer",
          "arn:aws:logs:eu-test-1:123456789012:log-group:/aws/lambda/orders-notifier",
          "arn:aws:logs:eu-test-1:123456789012:log-group:/aws/lambda/orders-reader",
        ] } }
      },
      {
        Sid       = "AlarmsOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = "123456789012" } }
      },
    ]))
    error_message = "The key's policy is not as reviewed."
  }

  # The names in the policy are written out, because the log groups need the key first. So the names
  # must agree with the groups.
  assert {
    condition = toset([for group in concat([aws_cloudwatch_log_group.api, aws_cloudwatch_log_group.consumer], aws_cloudwatch_log_group.access, aws_cloudwatch_log_group.notifier) : group.name]) == (
      toset(["/aws/apigateway/orders", "/aws/lambda/orders-api", "/aws/lambda/orders-consumer", "/aws/lambda/orders-notifier"])
    )
    error_message = "The key's policy must name exactly the log groups that exist."
  }
}

run "a_discard_is_kept_longer_than_the_record_it_names" {
  assert {
    condition     = var.discard_destination == "s3" || aws_sqs_queue.discarded.message_retention_seconds > aws_kinesis_stream.intents.retention_period * 3600
    error_message = "The queue must keep a discard as long as it could still be put back."
  }

  assert {
    condition     = alltrue([for lifecycle in aws_s3_bucket_lifecycle_configuration.discarded : one(one(lifecycle.rule).expiration).days * 24 > aws_kinesis_stream.intents.retention_period])
    error_message = "The archive must keep a discard as long as it could still be put back."
  }

  assert {
    condition     = contains(concat([aws_sqs_queue.discarded.arn], aws_s3_bucket.discarded[*].arn), output.discard_destination_arn)
    error_message = "There must be a destination."
  }
}

run "the_table_can_be_restored_and_not_be_deleted_by_mistake" {
  assert {
    condition     = one(aws_dynamodb_table.orders.point_in_time_recovery).enabled && one(aws_dynamodb_table.orders.point_in_time_recovery).recovery_period_in_days == 35 && aws_dynamodb_table.orders.deletion_protection_enabled
    error_message = "The table must be protected."
  }

  assert {
    condition     = aws_dynamodb_table.orders.billing_mode == "PAY_PER_REQUEST" && aws_dynamodb_table.orders.hash_key == "order_id"
    error_message = "The table must have one row an order, and its capacity must be on demand."
  }

  assert {
    condition     = length(aws_dynamodb_table.orders.ttl) == 0 && length(aws_dynamodb_table.orders.replica) == 0
    error_message = "The table must have neither time to live nor replicas, because both void the lock."
  }
}

run "functions_run_as_they_are_built" {
  assert {
    condition = alltrue([for function in concat([aws_lambda_function.api, aws_lambda_function.consumer], aws_lambda_function.reader) : (
      function.runtime == "provided.al2023" && function.handler == "bootstrap" && function.publish
      && function.architectures == tolist([var.architecture]) && function.tracing_config[0].mode == (var.tracing ? "Active" : "PassThrough")
    )])
    error_message = "Runtime, versions and tracing must be as documented."
  }

  assert {
    condition = alltrue([for function in concat([aws_lambda_function.api, aws_lambda_function.consumer], aws_lambda_function.reader) : (
      function.logging_config[0].log_format == "JSON"
      && function.logging_config[0].application_log_level == upper(function.environment[0].variables.LOG_LEVEL)
    )])
    error_message = "Lambda's filter must let pass the lines that the function logs, because alarms are made of them."
  }

  assert {
    condition     = aws_lambda_function.api.logging_config[0].log_group == aws_cloudwatch_log_group.api.name && aws_lambda_function.consumer.logging_config[0].log_group == aws_cloudwatch_log_group.consumer.name
    error_message = "Each function must log to its own group."
  }

  assert {
    condition     = aws_lambda_alias.api.function_version == "7" && aws_lambda_alias.consumer.function_version == "7" && length(aws_lambda_alias.api.routing_config) == 0
    error_message = "The aliases must name the newest versions unless one is pinned."
  }
}

run "time_is_nested_from_the_call_to_the_gateway" {
  assert {
    condition     = local.put_seconds + local.api_margin_seconds < aws_lambda_function.api.timeout
    error_message = "The api must have the time to give up a put and to answer."
  }

  assert {
    condition     = alltrue([for integration in aws_apigatewayv2_integration.api : aws_lambda_function.api.timeout * 1000 < integration.timeout_milliseconds && integration.timeout_milliseconds <= 30000])
    error_message = "The gateway must wait longer than the api works."
  }
}
