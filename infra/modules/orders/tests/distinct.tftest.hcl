# A setting that lands in the place of another setting is only seen where the two differ. So no two
# settings of one kind have the same value here.

mock_provider "aws" {
  source = "./tests/identities"
}

variables {
  retention_hours                     = 30
  facts_retention_hours               = 40
  shard_count                         = 3
  facts_shard_count                   = 5
  batch_size                          = 11
  notifier_batch_size                 = 12
  batching_window_seconds             = 1
  notifier_batching_window_seconds    = 2
  parallelization_factor              = 4
  notifier_parallelization_factor     = 6
  maximum_retry_attempts              = 7
  notifier_maximum_retry_attempts     = 8
  maximum_record_age_seconds          = 70000
  notifier_maximum_record_age_seconds = 60000
  api_timeout_seconds                 = 9
  consumer_timeout_seconds            = 21
  notifier_timeout_seconds            = 22
  api_memory_mb                       = 201
  consumer_memory_mb                  = 202
  notifier_memory_mb                  = 203
  api_reserved_concurrency            = 101
  reader_reserved_concurrency         = 102
  consumer_reserved_concurrency       = 103
  notifier_reserved_concurrency       = 104
  requests_per_second                 = 301
  request_burst                       = 302
  log_retention_days                  = 14
  queue_retention_seconds             = 400000
  point_in_time_recovery_days         = 23
}

run "each_setting_of_a_function_is_that_functions" {
  assert {
    condition = { for name, function in { api = aws_lambda_function.api, reader = aws_lambda_function.reader[0], consumer = aws_lambda_function.consumer, notifier = aws_lambda_function.notifier[0] } : name => "${function.timeout} ${function.memory_size} ${function.reserved_concurrent_executions}" } == {
      api = "9 201 101", reader = "9 201 102", consumer = "21 202 103", notifier = "22 203 104"
    }
    error_message = "Each function must have its own timeout, memory and concurrency."
  }

  assert {
    condition = { for name, mapping in { consumer = aws_lambda_event_source_mapping.consumer, notifier = aws_lambda_event_source_mapping.notifier[0] } : name => "${mapping.batch_size} ${mapping.maximum_batching_window_in_seconds} ${mapping.parallelization_factor} ${mapping.maximum_retry_attempts} ${mapping.maximum_record_age_in_seconds}" } == {
      consumer = "11 1 4 7 70000", notifier = "12 2 6 8 60000"
    }
    error_message = "Each mapping must have its own settings."
  }

  assert {
    condition     = [for stream in [aws_kinesis_stream.intents, aws_kinesis_stream.facts[0]] : "${stream.shard_count} ${stream.retention_period}"] == ["3 30", "5 40"]
    error_message = "Each stream must have its own shards and retention."
  }

  assert {
    condition     = one(aws_apigatewayv2_stage.default[0].default_route_settings).throttling_rate_limit == 301 && one(aws_apigatewayv2_stage.default[0].default_route_settings).throttling_burst_limit == 302
    error_message = "The throttle must have its own rate and burst."
  }

  assert {
    condition     = alltrue([for group in concat([aws_cloudwatch_log_group.api, aws_cloudwatch_log_group.consumer], aws_cloudwatch_log_group.reader, aws_cloudwatch_log_group.notifier, aws_cloudwatch_log_group.access) : group.retention_in_days == 14])
    error_message = "Every log must be kept as long as asked for."
  }

  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.discarded, aws_sqs_queue.changes_discarded[0]] : queue.message_retention_seconds == 400000])
    error_message = "Every queue must keep discards as long as asked for."
  }

  assert {
    condition     = alltrue([for table in [aws_dynamodb_table.orders, aws_dynamodb_table.announcements[0]] : one(table.point_in_time_recovery).recovery_period_in_days == 23])
    error_message = "Every table must be restorable for as long as asked for."
  }
}

# A switch has two values only. So the switches are set three times, and no two of them have the
# same value each time.

run "each_switch_has_its_own_effect_first" {
  variables {
    accepting           = true
    consumer_enabled    = false
    notifier_enabled    = false
    tracing             = false
    enhanced_fan_out    = true
    deletion_protection = true
  }

  assert {
    condition = {
      accepting        = alltrue([for route in aws_apigatewayv2_route.orders : route.target == "integrations/integration-api"])
      closed           = alltrue([for route in aws_apigatewayv2_route.orders : route.target == "integrations/integration-closed"])
      consumer_enabled = aws_lambda_event_source_mapping.consumer.enabled
      notifier_enabled = aws_lambda_event_source_mapping.notifier[0].enabled
      traced           = [for function in local.functions : one(function.tracing_config).mode]
      may_trace        = [for policy in concat([aws_iam_role_policy.api, aws_iam_role_policy.consumer], aws_iam_role_policy.reader, aws_iam_role_policy.notifier) : strcontains(policy.policy, "xray:")]
      enhanced_fan_out = endswith(aws_lambda_event_source_mapping.consumer.event_source_arn, "/consumer/fan-out:1")
      protected        = [for table in [aws_dynamodb_table.orders, aws_dynamodb_table.announcements[0], aws_dynamodb_table.guard] : table.deletion_protection_enabled]
      } == {
      accepting        = var.accepting
      closed           = !var.accepting
      consumer_enabled = var.consumer_enabled
      notifier_enabled = var.notifier_enabled
      traced           = [for function in range(4) : var.tracing ? "Active" : "PassThrough"]
      may_trace        = [for role in range(4) : var.tracing]
      enhanced_fan_out = var.enhanced_fan_out
      protected        = [for table in range(3) : var.deletion_protection]
    }
    error_message = "Each switch must have its own effect, and no other switch may have it."
  }
}

run "each_switch_has_its_own_effect_second" {
  variables {
    accepting           = false
    consumer_enabled    = false
    notifier_enabled    = true
    tracing             = true
    enhanced_fan_out    = false
    deletion_protection = true
  }

  assert {
    condition = {
      accepting        = alltrue([for route in aws_apigatewayv2_route.orders : route.target == "integrations/integration-api"])
      closed           = alltrue([for route in aws_apigatewayv2_route.orders : route.target == "integrations/integration-closed"])
      consumer_enabled = aws_lambda_event_source_mapping.consumer.enabled
      notifier_enabled = aws_lambda_event_source_mapping.notifier[0].enabled
      traced           = [for function in local.functions : one(function.tracing_config).mode]
      may_trace        = [for policy in concat([aws_iam_role_policy.api, aws_iam_role_policy.consumer], aws_iam_role_policy.reader, aws_iam_role_policy.notifier) : strcontains(policy.policy, "xray:")]
      enhanced_fan_out = endswith(aws_lambda_event_source_mapping.consumer.event_source_arn, "/consumer/fan-out:1")
      protected        = [for table in [aws_dynamodb_table.orders, aws_dynamodb_table.announcements[0], aws_dynamodb_table.guard] : table.deletion_protection_enabled]
      } == {
      accepting        = var.accepting
      closed           = !var.accepting
      consumer_enabled = var.consumer_enabled
      notifier_enabled = var.notifier_enabled
      traced           = [for function in range(4) : var.tracing ? "Active" : "PassThrough"]
      may_trace        = [for role in range(4) : var.tracing]
      enhanced_fan_out = var.enhanced_fan_out
      protected        = [for table in range(3) : var.deletion_protection]
    }
    error_message = "Each switch must have its own effect, and no other switch may have it."
  }
}

run "each_switch_has_its_own_effect_third" {
  variables {
    accepting           = false
    consumer_enabled    = true
    notifier_enabled    = false
    tracing             = true
    enhanced_fan_out    = true
    deletion_protection = false
  }

  assert {
    condition = {
      accepting        = alltrue([for route in aws_apigatewayv2_route.orders : route.target == "integrations/integration-api"])
      closed           = alltrue([for route in aws_apigatewayv2_route.orders : route.target == "integrations/integration-closed"])
      consumer_enabled = aws_lambda_event_source_mapping.consumer.enabled
      notifier_enabled = aws_lambda_event_source_mapping.notifier[0].enabled
      traced           = [for function in local.functions : one(function.tracing_config).mode]
      may_trace        = [for policy in concat([aws_iam_role_policy.api, aws_iam_role_policy.consumer], aws_iam_role_policy.reader, aws_iam_role_policy.notifier) : strcontains(policy.policy, "xray:")]
      enhanced_fan_out = endswith(aws_lambda_event_source_mapping.consumer.event_source_arn, "/consumer/fan-out:1")
      protected        = [for table in [aws_dynamodb_table.orders, aws_dynamodb_table.announcements[0], aws_dynamodb_table.guard] : table.deletion_protection_enabled]
      } == {
      accepting        = var.accepting
      closed           = !var.accepting
      consumer_enabled = var.consumer_enabled
      notifier_enabled = var.notifier_enabled
      traced           = [for function in range(4) : var.tracing ? "Active" : "PassThrough"]
      may_trace        = [for role in range(4) : var.tracing]
      enhanced_fan_out = var.enhanced_fan_out
      protected        = [for table in range(3) : var.deletion_protection]
    }
    error_message = "Each switch must have its own effect, and no other switch may have it."
  }
}
