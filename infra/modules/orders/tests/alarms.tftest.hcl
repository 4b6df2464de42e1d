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
    condition = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.orders :
      join(" ", alarm.alarm_actions) == { page = aws_sns_topic.alarms["page"].arn, ticket = aws_sns_topic.alarms["ticket"].arn, none = "" }[alarm.tags.Severity]
    ])
    error_message = "Every alarm must be wired to the topic of its severity."
  }

  assert {
    condition     = sort([for name, alarm in aws_cloudwatch_metric_alarm.orders : name if alarm.tags.Severity == "none"]) == sort(flatten([for name in keys(aws_cloudwatch_composite_alarm.orders) : ["${name}-incoming", "${name}-unread"]]))
    error_message = "Only the parts of another alarm may tell nobody."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_composite_alarm.orders : tolist(alarm.alarm_actions) == tolist([aws_sns_topic.alarms["page"].arn]) && tolist(alarm.ok_actions) == tolist([aws_sns_topic.alarms["page"].arn])])
    error_message = "An alarm of two parts must page."
  }

  assert {
    condition     = aws_cloudwatch_composite_alarm.orders["consumer-stalled"].alarm_rule == "ALARM(\"orders-consumer-stalled-incoming\") AND ALARM(\"orders-consumer-stalled-unread\")"
    error_message = "The alarm must fire while intents come in and none is read."
  }

  assert {
    condition = [for name, alarm in aws_cloudwatch_metric_alarm.orders : name if length(alarm.ok_actions) == 0 && alarm.tags.Severity != "none"] == [
      "changes-destination-failures", "changes-discarded", "changes-dropped", "changes-rejected", "destination-failures", "discarded", "dropped", "poison",
    ]
    error_message = "An alarm of an event must not say that all is well, because orders are missing until somebody puts them back. Every other alarm must say so."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.orders : tolist(alarm.ok_actions) == tolist(alarm.alarm_actions) if length(alarm.ok_actions) > 0])
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
    condition     = [for name, alarm in aws_cloudwatch_metric_alarm.orders : name if alarm.treat_missing_data != "notBreaching"] == ["consumer-stalled-unread", "consumer-stopped-unread", "notifier-stopped-unread"]
    error_message = "Missing data must not fire, because a service without traffic has no data. Only the absence of reading is told by missing data."
  }

  assert {
    condition     = { for key, subscription in aws_sns_topic_subscription.email : key => subscription.topic_arn } == { for severity, topic in aws_sns_topic.alarms : "${severity} pager@example.com" => topic.arn }
    error_message = "Every address in alarm_emails must be subscribed to pages and to tickets."
  }

  assert {
    condition = jsondecode(aws_sns_topic_policy.alarms["page"].policy).Statement == jsondecode(jsonencode([{
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
      "consumer-errors", "consumer-stalled-incoming", "consumer-stalled-unread", "consumer-stopped-incoming", "consumer-stopped-unread", "consumer-throttles", "destination-failures", "discarded", "discards-waiting",
      "dropped", "facts-capacity", "facts-throttles", "gateway-throttles", "iterator-age", "iterator-age-critical", "notifier-errors", "notifier-iterator-age",
      "notifier-iterator-age-critical", "notifier-stopped-incoming", "notifier-stopped-unread", "notifier-throttles", "poison", "publish-failures", "publish-failures-to-mend", "reader-errors", "reader-latency", "reader-throttles",
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
    condition = alltrue([for query in aws_cloudwatch_metric_alarm.orders["consumer-stalled-incoming"].metric_query :
      try(one(query.metric).period, 300) * aws_cloudwatch_metric_alarm.orders["consumer-stalled-incoming"].evaluation_periods == 600 && try(one(query.metric).period, 300) >= 300
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
    condition = alltrue([for query in aws_cloudwatch_metric_alarm.orders["consumer-stopped-incoming"].metric_query :
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
    requests_per_second      = 10
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
        [for filter in aws_cloudwatch_log_metric_filter.gateway : one(filter.metric_transformation).name],
      ), one(query.metric).metric_name) if try(startswith(one(query.metric).namespace, "Orders/"), false)
    ]]))
    error_message = "An alarm watches a metric that no filter makes."
  }

  assert {
    condition     = length(flatten([for alarm in aws_cloudwatch_metric_alarm.orders : [for query in alarm.metric_query : query.id if try(one(query.metric).namespace == "Orders/orders", false)]])) == 10
    error_message = "Unfinished, poison and both kinds of conflicts must be watched. Of the notifier, rejected and unfinished changes and both kinds of publish failures must be watched. The ninth metric is Applied, which shows that a notifier has stopped. The tenth is the gateway's 429."
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
        "AWS/Lambda IteratorAge"                             = ["FunctionName"]
        "AWS/Lambda PolledEventCount"                        = ["EventSourceMappingUUID"]
        "AWS/Lambda OnFailureDestinationDeliveredEventCount" = ["EventSourceMappingUUID"]
        "AWS/Lambda Throttles"                               = ["FunctionName"]
        "AWS/SQS ApproximateNumberOfMessagesNotVisible"      = ["QueueName"]
        "AWS/SQS ApproximateNumberOfMessagesVisible"         = ["QueueName"]
        "Orders/orders Applied"                              = [""]
        "Orders/orders ChangesRejected"                      = [""]
        "Orders/orders ChangesUnfinished"                    = [""]
        "Orders/orders ConflictRecorded"                     = [""]
        "Orders/orders ConflictTruncated"                    = [""]
        "Orders/orders GatewayThrottled"                     = [""]
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

run "an_alarm_may_go_to_the_topics_of_the_organization" {
  command = plan

  variables {
    alarm_topics = {
      page   = { arn = "arn:aws:sns:eu-test-1:123456789012:pager" }
      ticket = { arn = "arn:aws:sns:eu-test-1:123456789012:tracker" }
    }
  }

  assert {
    condition     = length(aws_sns_topic.alarms) == 0 && length(aws_sns_topic_policy.alarms) == 0 && output.alarm_topic_arn == var.alarm_topics.page.arn && output.ticket_topic_arn == var.alarm_topics.ticket.arn
    error_message = "No topic must be made where both are given."
  }

  assert {
    condition     = contains(aws_cloudwatch_metric_alarm.orders["dropped"].alarm_actions, var.alarm_topics.page.arn) && contains(aws_cloudwatch_metric_alarm.orders["conflicts"].alarm_actions, var.alarm_topics.ticket.arn)
    error_message = "Each alarm must go to the topic of its severity."
  }
}

run "it_warns_while_nobody_is_subscribed" {
  command = plan

  variables {
    alarm_emails     = []
    alarms_are_heard = false
  }

  expect_failures = [check.somebody_is_subscribed]
}

run "the_archive_has_an_alarm_for_as_long_as_a_discard_is_in_it" {
  variables {
    discard_destination = "s3"
  }

  assert {
    condition     = one([for query in aws_cloudwatch_metric_alarm.orders["discards-in-archive"].metric_query : one(query.metric).dimensions if length(query.metric) > 0]) == tomap({ BucketName = aws_s3_bucket.discarded[0].id, StorageType = "AllStorageTypes" })
    error_message = "The alarm must count the objects of the archive."
  }
}

run "refused_callers_are_counted_where_callers_are_known" {
  command = plan

  variables {
    caller       = "jwt:sub"
    jwt_issuer   = "https://issuer.example"
    jwt_audience = ["orders"]
  }

  assert {
    condition     = contains(keys(aws_cloudwatch_metric_alarm.orders), "gateway-refusals") && aws_cloudwatch_log_metric_filter.gateway["GatewayRefused"].pattern == "{ (($.status = \"401\") || ($.status = \"403\")) && ($.integration_status = \"-\") }"
    error_message = "The gateway's own refusals must be counted, and not the api's."
  }

  assert {
    condition     = aws_cloudwatch_log_metric_filter.gateway["GatewayThrottled"].pattern == "{ ($.status = \"429\") && ($.integration_status = \"-\") }"
    error_message = "The gateway's own throttles must be counted."
  }
}

run "a_quiet_hour_is_told_where_it_is_asked_for" {
  command = plan

  variables {
    no_traffic_alarm_minutes = 60
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.orders["no-traffic"].treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.orders["no-traffic"].evaluation_periods == 12
    error_message = "Twelve periods of five minutes without a datapoint must fire."
  }
}
