# The tests of the alarms, of the metrics that the service's logs are made into, and of the
# dashboard.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  alarm_emails = ["pager@example.com"]
  runbook_url  = "https://runbook.example/orders"
}

run "every_alarm_tells_somebody_and_says_what_to_do" {
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.orders : alarm.alarm_actions == toset([aws_sns_topic.alarms.arn]) || alarm.alarm_actions == tolist([aws_sns_topic.alarms.arn])])
    error_message = "Every alarm must be wired to the topic."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.orders : alarm.ok_actions == toset([aws_sns_topic.alarms.arn]) || alarm.ok_actions == tolist([aws_sns_topic.alarms.arn])])
    error_message = "An alarm must tell the same people that it is over."
  }

  assert {
    condition     = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.orders : endswith(alarm.alarm_description, " What to do: https://runbook.example/orders#${name}")])
    error_message = "Every alarm must link to its section of the runbook."
  }

  # CloudWatch API reference, PutMetricAlarm, AlarmDescription.
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.orders : length(alarm.alarm_description) <= 1024])
    error_message = "A description must have at most 1,024 characters, or CloudWatch refuses it."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.orders : alarm.treat_missing_data == "notBreaching"])
    error_message = "Missing data must not fire, because a service without traffic has no data."
  }

  assert {
    condition     = aws_sns_topic_subscription.email["pager@example.com"].topic_arn == aws_sns_topic.alarms.arn
    error_message = "Every address in alarm_emails must be subscribed."
  }

  assert {
    condition = jsondecode(aws_sns_topic_policy.alarms.policy).Statement == jsondecode(jsonencode([{
      Sid       = "AlarmsOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = "arn:aws:sns:eu-test-1:123456789012:alarms"
      Condition = { StringEquals = { "aws:SourceAccount" = "123456789012" } }
    }]))
    error_message = "CloudWatch must be able to publish for this account, and nobody else."
  }
}

run "each_thing_that_can_go_wrong_has_its_alarm" {
  assert {
    condition = keys(aws_cloudwatch_metric_alarm.orders) == [
      "announcements-throttles", "api-5xx", "api-errors", "api-latency", "api-throttles", "changes-destination-failures",
      "changes-discarded", "changes-discards-waiting", "changes-dropped", "changes-rejected", "changes-unfinished", "concurrency", "conflicts",
      "consumer-errors", "consumer-stalled", "consumer-stopped", "consumer-throttles", "destination-failures", "discarded", "discards-waiting",
      "dropped", "facts-capacity", "facts-throttles", "iterator-age", "iterator-age-critical", "notifier-errors", "notifier-iterator-age",
      "notifier-iterator-age-critical", "notifier-stopped", "notifier-throttles", "poison", "publish-failures", "publish-failures-to-mend", "reader-errors", "reader-latency", "reader-throttles",
      "stream-capacity", "stream-throttles", "table-throttles", "unfinished",
    ]
    error_message = "An alarm is missing or new. Describe a new alarm in docs/runbook.md and name it here."
  }
}

run "alarms_come_before_it_is_too_late" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.orders["iterator-age-critical"].threshold == var.retention_hours * 3600 / 2
    error_message = "The critical alarm must leave half of the stream's retention to mend."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.orders["iterator-age"].threshold < aws_cloudwatch_metric_alarm.orders["iterator-age-critical"].threshold
    error_message = "The first alarm must fire before the critical alarm."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.orders["discards-waiting"].evaluation_periods < var.retention_hours
    error_message = "The alarm must fire while the stream keeps the record of a discard."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.orders["concurrency"].threshold == 800
    error_message = "The alarm must leave a fifth of the account's concurrency."
  }

  # Two shards take 2,000 records or 2 MB a second. So 120,000 records or 120 MB a minute are 100 %.
  assert {
    condition     = contains([for query in aws_cloudwatch_metric_alarm.orders["stream-capacity"].metric_query : query.expression], "IF(bytes > 1000 * records, bytes / 1000, records) / 1200")
    error_message = "The alarm must reckon with the number of shards."
  }

  # These alarms fire at one event, in one datapoint of one minute, because a loss happens at once.
  assert {
    condition = alltrue([for name in ["discarded", "dropped", "destination-failures", "poison", "unfinished"] : (
      aws_cloudwatch_metric_alarm.orders[name].threshold == 1 && aws_cloudwatch_metric_alarm.orders[name].evaluation_periods == 1
      && alltrue([for query in aws_cloudwatch_metric_alarm.orders[name].metric_query : try(one(query.metric).period, 60) == 60])
    )])
    error_message = "The alarm must fire within a minute after the first discard."
  }
}

run "a_service_with_few_orders_is_told_of_its_outage_too" {
  assert {
    condition = alltrue([for query in aws_cloudwatch_metric_alarm.orders["consumer-stalled"].metric_query :
      try(one(query.metric).period, 300) * aws_cloudwatch_metric_alarm.orders["consumer-stalled"].evaluation_periods == 600 && try(one(query.metric).period, 300) >= 300
    ])
    error_message = "The alarm must fire after ten minutes without an invocation if an order comes every five minutes."
  }

  assert {
    condition     = contains([for query in aws_cloudwatch_metric_alarm.orders["api-5xx"].metric_query : query.expression], "IF((errors >= 5) OR ((errors > 0) AND (errors == requests)), 100 * errors / requests, 0)")
    error_message = "The alarm must not wait for five errors a minute if every request fails."
  }
}

# An alarm looks back over a week at most if its period is an hour or longer, and over a day
# otherwise (CloudWatch API reference, PutMetricAlarm).
run "no_alarm_looks_back_further_than_cloudwatch_does" {
  command = plan

  variables {
    retention_hours        = 8760
    discard_destination    = "s3"
    archive_retention_days = 400
  }

  assert {
    condition = alltrue(flatten([for alarm in aws_cloudwatch_metric_alarm.orders : [for query in alarm.metric_query :
      one(query.metric).period * alarm.evaluation_periods <= (one(query.metric).period < 3600 ? 86400 : 604800) if length(query.metric) > 0
    ]]))
    error_message = "CloudWatch would refuse the alarm."
  }
}

run "a_consumer_that_stands_still_is_noticed_while_the_stream_keeps_the_orders" {
  assert {
    condition = alltrue([for query in aws_cloudwatch_metric_alarm.orders["consumer-stopped"].metric_query :
      2 * one(query.metric).period <= 24 * 3600 / 2 if length(query.metric) > 0
    ])
    error_message = "The shortest retention must have time for two periods, and as much again to mend."
  }
}

run "a_discard_is_waiting_whether_somebody_looks_at_it_or_not" {
  assert {
    condition = (
      contains([for query in aws_cloudwatch_metric_alarm.orders["discards-waiting"].metric_query : query.expression], "FILL(visible, 0) + FILL(looked, 0)")
      && aws_cloudwatch_metric_alarm.orders["discards-waiting"].threshold < 1
    )
    error_message = "One discard must be enough, also while no message is in flight and that count has no datapoint."
  }

  assert {
    condition = alltrue([for query in aws_cloudwatch_metric_alarm.orders["discards-waiting"].metric_query :
      one(query.metric).stat == "Average" if length(query.metric) > 0
    ])
    error_message = "A discard that somebody receives once an hour must count, although each count by itself is 0 for a while."
  }
}

run "a_single_reserved_execution_raises_no_alarm_while_it_is_free" {
  command = plan

  variables {
    api_reserved_concurrency = 1
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.orders["concurrency"].threshold == 1
    error_message = "With a threshold of 0 the alarm would never be off."
  }
}

run "an_alarm_on_what_the_service_logs_watches_a_metric_that_is_made" {
  assert {
    condition = alltrue(flatten([for alarm in aws_cloudwatch_metric_alarm.orders : [for query in alarm.metric_query :
      contains(concat(
        [for filter in aws_cloudwatch_log_metric_filter.batch : one(filter.metric_transformation).name],
        [for filter in aws_cloudwatch_log_metric_filter.put : one(filter.metric_transformation).name],
        [for filter in aws_cloudwatch_log_metric_filter.facts : one(filter.metric_transformation).name],
        [for filter in aws_cloudwatch_log_metric_filter.publish : one(filter.metric_transformation).name],
      ), one(query.metric).metric_name) if try(startswith(one(query.metric).namespace, "Orders/"), false)
    ]]))
    error_message = "An alarm watches a metric that no filter makes."
  }

  assert {
    condition     = length(flatten([for alarm in aws_cloudwatch_metric_alarm.orders : [for query in alarm.metric_query : query.id if try(one(query.metric).namespace == "Orders/orders", false)]])) == 9
    error_message = "Unfinished, poison and both kinds of conflicts must be watched. Of the notifier, rejected and unfinished changes and both kinds of publish failures must be watched. The ninth metric is Applied, which shows that a notifier has stopped."
  }

  assert {
    condition     = aws_cloudwatch_log_metric_filter.batch["Rejected"].pattern == "{ ($.message = \"batch\") && ($.rejected >= 0) }" && one(aws_cloudwatch_log_metric_filter.batch["Rejected"].metric_transformation).value == "$.rejected"
    error_message = "The metric must be the count in the batch's line."
  }

  assert {
    condition     = alltrue([for filter in aws_cloudwatch_log_metric_filter.batch : filter.log_group_name == aws_cloudwatch_log_group.consumer.name]) && alltrue([for filter in aws_cloudwatch_log_metric_filter.put : filter.log_group_name == aws_cloudwatch_log_group.api.name])
    error_message = "Each filter must read the log of the function that writes the line."
  }
}

# The dimensions that AWS documents, in the sources that alarms.tf names. With other dimensions a
# metric has no data, and its alarm never fires.
run "every_metric_has_the_dimensions_that_aws_gives_it" {
  assert {
    condition = alltrue(flatten([for alarm in aws_cloudwatch_metric_alarm.orders : [for query in alarm.metric_query : [for metric in query.metric :
      contains(lookup({
        "AWS/ApiGateway 5xx"                                 = ["ApiId Stage"]
        "AWS/ApiGateway Count"                               = ["ApiId Stage"]
        "AWS/ApiGateway Latency"                             = ["ApiId Method Resource Stage"]
        "AWS/DynamoDB ReadThrottleEvents"                    = ["TableName"]
        "AWS/DynamoDB WriteThrottleEvents"                   = ["TableName"]
        "AWS/Kinesis IncomingBytes"                          = ["StreamName"]
        "AWS/Kinesis IncomingRecords"                        = ["StreamName"]
        "AWS/Kinesis ReadProvisionedThroughputExceeded"      = ["StreamName"]
        "AWS/Kinesis WriteProvisionedThroughputExceeded"     = ["StreamName"]
        "AWS/Lambda ConcurrentExecutions"                    = ["", "FunctionName"]
        "AWS/Lambda DestinationDeliveryFailures"             = ["FunctionName"]
        "AWS/Lambda DroppedEventCount"                       = ["EventSourceMappingUUID"]
        "AWS/Lambda Errors"                                  = ["FunctionName"]
        "AWS/Lambda InvokedEventCount"                       = ["EventSourceMappingUUID"]
        "AWS/Lambda IteratorAge"                             = ["FunctionName"]
        "AWS/Lambda OnFailureDestinationDeliveredEventCount" = ["EventSourceMappingUUID"]
        "AWS/Lambda Throttles"                               = ["FunctionName"]
        "AWS/SQS ApproximateNumberOfMessagesNotVisible"      = ["QueueName"]
        "AWS/SQS ApproximateNumberOfMessagesVisible"         = ["QueueName"]
        "Orders/orders Applied"                              = [""]
        "Orders/orders ChangesRejected"                      = [""]
        "Orders/orders ChangesUnfinished"                    = [""]
        "Orders/orders ConflictRecorded"                     = [""]
        "Orders/orders ConflictTruncated"                    = [""]
        "Orders/orders PublishFailures"                      = [""]
        "Orders/orders PublishFailuresToMend"                = [""]
        "Orders/orders Rejected"                             = [""]
        "Orders/orders Unfinished"                           = [""]
      }, "${metric.namespace} ${metric.metric_name}", []), join(" ", sort(keys(coalesce(metric.dimensions, {})))))
    ]]]))
    error_message = "A metric does not exist with these dimensions."
  }

  assert {
    condition     = one(aws_apigatewayv2_stage.default[0].default_route_settings).detailed_metrics_enabled
    error_message = "Detailed metrics must be on. Otherwise a route has no latency metric, and the alarm api-latency has no data."
  }
}

run "the_dashboard_goes_from_left_to_right" {
  assert {
    condition     = [for widget in jsondecode(aws_cloudwatch_dashboard.pipeline.dashboard_body).widgets : widget.properties.markdown if widget.type == "text"] == ["## 1 · Front door", "## 2 · Stream", "## 3 · Consumer", "## 4 · Orders", "## 5 · Facts"]
    error_message = "The columns must follow the way of an intent, and the row of the facts must follow the columns."
  }

  assert {
    condition     = alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.pipeline.dashboard_body).widgets : widget.x + widget.width <= 24])
    error_message = "The graphs must fit into the 24 units of a dashboard's width."
  }

  # Two widgets overlap if they overlap in x and in y.
  assert {
    condition = alltrue(flatten([for index, one in jsondecode(aws_cloudwatch_dashboard.pipeline.dashboard_body).widgets : [
      for other in slice(jsondecode(aws_cloudwatch_dashboard.pipeline.dashboard_body).widgets, 0, index) :
      one.x + one.width <= other.x || other.x + other.width <= one.x || one.y + one.height <= other.y || other.y + other.height <= one.y
    ]]))
    error_message = "No graph may cover another one."
  }

  # A metric is a namespace, a name, dimensions in pairs, and options.
  assert {
    condition = alltrue(flatten([for widget in jsondecode(aws_cloudwatch_dashboard.pipeline.dashboard_body).widgets : [
      for metric in try(widget.properties.metrics, []) : length(metric) % 2 == 1 && can(keys(metric[length(metric) - 1]))
    ]]))
    error_message = "A metric is not in CloudWatch's form."
  }

  # The dashboard shows the metric of every alarm. Otherwise the person who is paged would have no
  # picture.
  assert {
    condition = length(setsubtract(
      toset(flatten([for name, alarm in aws_cloudwatch_metric_alarm.orders : [for query in alarm.metric_query : [for metric in query.metric : "${metric.namespace} ${metric.metric_name}"]]])),
      toset(flatten([for widget in jsondecode(aws_cloudwatch_dashboard.pipeline.dashboard_body).widgets : [for metric in try(widget.properties.metrics, []) : "${metric[0]} ${metric[1]}"]])),
    )) == 0
    error_message = "The dashboard must show the metrics of all alarms."
  }
}
