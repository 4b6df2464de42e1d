# The tests of what a deployment chooses of the facts, and of their alarms and metrics.

mock_provider "aws" {
  source = "./tests/mocks"
}

# The notifier's mapping is another one than the consumer's.
override_resource {
  target = aws_lambda_event_source_mapping.notifier
  values = { uuid = "11111111-1111-4111-8111-111111111111" }
}

run "without_facts_nothing_of_them_is_left" {
  variables {
    facts = false
    # The reservation is for a function that does not exist then.
    notifier_reserved_concurrency = 40
  }

  assert {
    condition = length(concat(
      aws_kinesis_stream.facts, aws_lambda_function.notifier, aws_lambda_alias.notifier, aws_lambda_event_source_mapping.notifier, aws_cloudwatch_log_group.notifier,
      aws_iam_role.notifier, aws_iam_role_policy.notifier, aws_sqs_queue.changes_discarded, aws_sqs_queue_policy.changes_discarded,
      aws_dynamodb_table.announcements, aws_iam_policy.announce,
    )) == 0
    error_message = "A resource of the facts is left, which may cost money."
  }

  assert {
    condition     = length(aws_cloudwatch_log_metric_filter.facts) == 0 && length(aws_cloudwatch_log_metric_filter.publish) == 0
    error_message = "A metric of the facts is left, which may cost money."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.orders) == 27 && keys(aws_cloudwatch_composite_alarm.orders) == ["consumer-stalled", "consumer-stopped"]
    error_message = "The alarms of the service, and no alarm of the facts, must be there."
  }

  assert {
    condition     = !aws_dynamodb_table.orders.stream_enabled
    error_message = "A change stream without a reader must not be on."
  }

  assert {
    condition     = !strcontains(aws_cloudwatch_dashboard.pipeline.dashboard_body, "Facts") && !strcontains(aws_cloudwatch_dashboard.pipeline.dashboard_body, "notifier")
    error_message = "The dashboard must not show what does not exist."
  }

  assert {
    condition     = !strcontains(aws_kms_key.orders[0].policy, "notifier")
    error_message = "The key must not be open to a log that does not exist."
  }

  assert {
    condition = (
      output.table_stream_arn == null && output.facts_stream_arn == null && output.facts_outage_budget_seconds == null && output.subscriber == null
      && output.announce == null && output.announce_policy_arn == null && output.changes_discard_queue_url == null
      && output.notifier_mapping_id == null && output.notifier_function == null
    )
    error_message = "An output names what does not exist."
  }
}

run "the_notifiers_stop_switch_disables_its_mapping_and_no_other" {
  variables {
    notifier_enabled = false
  }

  assert {
    condition     = !aws_lambda_event_source_mapping.notifier[0].enabled && aws_lambda_event_source_mapping.consumer.enabled
    error_message = "The stop switch must disable the notifier's mapping alone."
  }
}

run "an_on_demand_stream_of_facts_has_no_shard_count_and_no_alarm_on_it" {
  variables {
    facts_stream_mode = "ON_DEMAND"
  }

  assert {
    condition     = one(aws_kinesis_stream.facts[0].stream_mode_details).stream_mode == "ON_DEMAND" && one(aws_kinesis_stream.intents.stream_mode_details).stream_mode == "PROVISIONED"
    error_message = "Each stream must have its own mode."
  }

  assert {
    condition     = !contains(keys(aws_cloudwatch_metric_alarm.orders), "facts-capacity") && contains(keys(aws_cloudwatch_metric_alarm.orders), "stream-capacity")
    error_message = "An on-demand stream must have no alarm on shards, because AWS decides their number."
  }
}

run "a_rolled_back_notifier_stays_rolled_back" {
  variables {
    notifier_pinned_version = "5"
  }

  assert {
    condition     = aws_lambda_alias.notifier[0].function_version == "5"
    error_message = "The pinned version must work."
  }
}

run "a_restored_table_announces_its_changes_too" {
  variables {
    table_name = "orders-restored"
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.notifier[0].policy).Statement : statement.Condition.StringEquals["kms:EncryptionContext:aws:dynamodb:tableName"] if statement.Sid == "DecryptChanges"] == ["orders-restored"]
    error_message = "The notifier must be able to decrypt the changes of the restored table."
  }

  assert {
    condition     = strcontains(output.announce, "TABLE_NAME=orders-restored ")
    error_message = "announce must read the restored table."
  }
}

run "a_boundary_is_put_on_the_notifiers_role" {
  variables {
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
  }

  assert {
    condition     = aws_iam_role.notifier[0].permissions_boundary == var.permissions_boundary_arn
    error_message = "The role must have the boundary."
  }
}

run "alarms_of_the_facts_come_before_it_is_too_late" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.orders["notifier-iterator-age"].threshold == 3600 && aws_cloudwatch_metric_alarm.orders["notifier-iterator-age-critical"].threshold == 21600
    error_message = "Somebody must be told after one hour, and again after six."
  }

  # These alarms fire at one event, in one datapoint of one minute.
  assert {
    condition = alltrue([for name in ["changes-discarded", "changes-dropped", "changes-destination-failures", "changes-rejected", "changes-unfinished", "publish-failures-to-mend"] : (
      aws_cloudwatch_metric_alarm.orders[name].threshold == 1 && aws_cloudwatch_metric_alarm.orders[name].evaluation_periods == 1
      && alltrue([for query in aws_cloudwatch_metric_alarm.orders[name].metric_query : try(one(query.metric).period, 60) == 60])
    )])
    error_message = "The alarm must fire within a minute after the first event."
  }

  assert {
    condition = alltrue(flatten([for name in ["changes-discarded", "changes-dropped", "notifier-stopped-unread"] : [for query in aws_cloudwatch_metric_alarm.orders[name].metric_query :
      one(query.metric).dimensions == tomap({ EventSourceMappingUUID = "11111111-1111-4111-8111-111111111111" }) if try(one(query.metric).namespace == "AWS/Lambda", false)
    ]]))
    error_message = "The alarm must watch the notifier's mapping, and not the consumer's."
  }

  assert {
    condition = alltrue(flatten([for name in ["notifier-iterator-age", "notifier-iterator-age-critical", "notifier-errors", "notifier-throttles", "changes-destination-failures"] : [for query in aws_cloudwatch_metric_alarm.orders[name].metric_query :
      one(query.metric).dimensions == tomap({ FunctionName = "orders-notifier" }) if length(query.metric) > 0
    ]]))
    error_message = "The alarm must watch the notifier, and not the consumer."
  }

  assert {
    condition = alltrue(flatten([for name in ["facts-throttles", "facts-capacity"] : [for query in aws_cloudwatch_metric_alarm.orders[name].metric_query :
      one(query.metric).dimensions == tomap({ StreamName = "orders-facts" }) if length(query.metric) > 0
    ]]))
    error_message = "The alarm must watch the stream of facts."
  }

  assert {
    condition = alltrue([for query in aws_cloudwatch_metric_alarm.orders["changes-discards-waiting"].metric_query :
      one(query.metric).dimensions == tomap({ QueueName = "orders-changes-discarded" }) && one(query.metric).stat == "Average" if length(query.metric) > 0
    ]) && aws_cloudwatch_metric_alarm.orders["changes-discards-waiting"].threshold < 1
    error_message = "One report in the notifier's queue must be enough, whether somebody looks at it or not."
  }

  assert {
    condition     = contains([for query in aws_cloudwatch_metric_alarm.orders["facts-capacity"].metric_query : query.expression], "IF(bytes > 1000 * records, bytes / 1000, records) / ${var.facts_shard_count * 600}")
    error_message = "The alarm must reckon with the number of shards."
  }
}

run "a_shorter_record_age_makes_the_alarms_earlier" {
  command = plan

  variables {
    notifier_maximum_record_age_seconds = 7200
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.orders["notifier-iterator-age"].threshold == 1800 && aws_cloudwatch_metric_alarm.orders["notifier-iterator-age-critical"].threshold == 3600
    error_message = "The alarms must fire before a change is discarded for its age."
  }
}

run "the_metrics_of_the_facts_are_made_of_the_notifiers_log" {
  assert {
    condition     = alltrue([for filter in concat(values(aws_cloudwatch_log_metric_filter.facts), values(aws_cloudwatch_log_metric_filter.publish)) : filter.log_group_name == aws_cloudwatch_log_group.notifier[0].name])
    error_message = "Each filter must read the log of the function that writes the line."
  }

  assert {
    condition     = aws_cloudwatch_log_metric_filter.facts["ChangesUnfinished"].pattern == "{ ($.message = \"batch\") && ($.unfinished >= 0) }" && one(aws_cloudwatch_log_metric_filter.facts["ChangesUnfinished"].metric_transformation).value == "$.unfinished"
    error_message = "The metric must be the count in the batch's line."
  }

  assert {
    condition     = aws_cloudwatch_log_metric_filter.publish["PublishFailures"].pattern == "{ ($.message = \"attempts failed\") }" && aws_cloudwatch_log_metric_filter.publish["PublishFailuresToMend"].pattern == "{ ($.message = \"attempts failed\") && ($.level = \"ERROR\") }"
    error_message = "One metric must count all batches with failed attempts, and the other one those that somebody has to mend."
  }
}
