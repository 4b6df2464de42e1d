# The tests of the minimal setting, which is the defaults and pipeline.auto.tfvars.json, and nothing
# else.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "a_day_three_retries_and_a_queue" {
  assert {
    condition     = aws_kinesis_stream.intents.retention_period == 24 && one(aws_kinesis_stream.intents.stream_mode_details).stream_mode == "PROVISIONED"
    error_message = "The minimal stream must keep a day."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.consumer.batch_size == 10 && aws_lambda_event_source_mapping.consumer.maximum_retry_attempts == 3
    error_message = "The minimal mapping must have batches of ten and three retries."
  }

  assert {
    condition     = aws_sqs_queue.discarded.message_retention_seconds == 1209600 && length(aws_s3_bucket.discarded) == 0
    error_message = "The minimal destination must be a queue that keeps 14 days."
  }

  assert {
    condition     = output.outage_budget_seconds == 118 && output.record_lifetime_seconds == 86400
    error_message = "The outage budget must be (3 + 1) × (30 s − 0.5 s) = 118 s, and the lifetime a day."
  }

  assert {
    condition     = aws_lambda_function.api.reserved_concurrent_executions == -1 && aws_lambda_function.consumer.reserved_concurrent_executions == -1
    error_message = "The minimal setting must fit into an account with the smallest quota."
  }
}

run "the_outputs_can_be_used_as_they_are" {
  assert {
    condition     = output.url == "https://api.execute-api.eu-test-1.amazonaws.com" && strcontains(output.first_order, "curl -s https://api.execute-api.eu-test-1.amazonaws.com/orders -H 'Content-Type: application/json'")
    error_message = "There must be a URL, and a command to try it."
  }

  assert {
    condition     = output.discard_destination_arn == aws_sqs_queue.discarded.arn && output.discard_queue_url == aws_sqs_queue.discarded.url
    error_message = "The outputs must name the resources that exist."
  }
}

run "the_stop_switch_disables_the_mapping_and_nothing_else" {
  variables {
    consumer_enabled = false
  }

  assert {
    condition     = !aws_lambda_event_source_mapping.consumer.enabled
    error_message = "The stop switch must disable the mapping."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.consumer.uuid == run.a_day_three_retries_and_a_queue.mapping_id
    error_message = "The mapping must be the same afterwards, because its checkpoints are kept in it."
  }
}

run "an_on_demand_stream_has_no_shard_count_and_no_alarm_on_it" {
  variables {
    stream_mode = "ON_DEMAND"
  }

  assert {
    condition     = one(aws_kinesis_stream.intents.stream_mode_details).stream_mode == "ON_DEMAND" && !contains(keys(aws_cloudwatch_metric_alarm.orders), "stream-capacity")
    error_message = "An on-demand stream must have no alarm on shards, because AWS decides their number."
  }
}

run "a_record_age_shortens_the_lifetime" {
  variables {
    maximum_record_age_seconds = 7200
  }

  assert {
    condition     = output.record_lifetime_seconds == 7200 && aws_cloudwatch_metric_alarm.orders["iterator-age-critical"].threshold == 3600
    error_message = "The critical alarm must fire at half of a record's lifetime."
  }
}

run "a_change_stream_is_there_without_the_notifier_when_asked_for" {
  variables {
    facts               = false
    table_change_stream = true
  }

  assert {
    condition     = aws_dynamodb_table.orders.stream_enabled && aws_dynamodb_table.orders.stream_view_type == "NEW_AND_OLD_IMAGES" && output.table_stream_arn == aws_dynamodb_table.orders.stream_arn
    error_message = "The change stream must have both images, for a function behind the table."
  }
}

run "a_restored_table_takes_the_place_of_the_lost_one" {
  variables {
    table_name = "orders-restored"
  }

  assert {
    condition     = aws_dynamodb_table.orders.name == "orders-restored" && aws_lambda_function.reader[0].environment[0].variables.TABLE_NAME == "orders-restored" && aws_lambda_function.consumer.environment[0].variables.TABLE_NAME == "orders-restored"
    error_message = "The reader and the consumer must work on the restored table."
  }

  assert {
    condition = alltrue([for policy in [aws_iam_role_policy.reader[0].policy, aws_iam_role_policy.consumer.policy] : alltrue([
      for statement in jsondecode(policy).Statement : statement.Condition.StringEquals["kms:EncryptionContext:aws:dynamodb:tableName"] == "orders-restored" if statement.Sid == "DecryptOrders"
    ])])
    error_message = "The roles of the reader and the consumer must be able to decrypt the restored table."
  }
}

run "a_pinned_version_stays_and_a_canary_gets_its_share" {
  variables {
    api_pinned_version      = "5"
    api_canary_weight       = 0.1
    consumer_pinned_version = "6"
    reader_pinned_version   = "4"
  }

  assert {
    condition     = aws_lambda_alias.api.function_version == "5" && one(aws_lambda_alias.api.routing_config).additional_version_weights == tomap({ "7" = 0.1 })
    error_message = "The pinned version must serve, and the newest version must get its share."
  }

  assert {
    condition     = aws_lambda_alias.consumer.function_version == "6"
    error_message = "A rolled back consumer must stay rolled back."
  }

  assert {
    condition     = aws_lambda_alias.reader[0].function_version == "4"
    error_message = "A rolled back reader must stay rolled back."
  }
}

run "the_change_of_a_package_is_a_change_of_the_function" {
  variables {
    api_package      = "tests/package.zip"
    consumer_package = "tests/no-such-package.zip"
  }

  assert {
    condition     = aws_lambda_function.api.source_code_hash == filebase64sha256("tests/package.zip")
    error_message = "The hash must be the package's."
  }
}
