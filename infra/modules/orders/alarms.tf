# The alarms, and the topics that tell people of them. Every alarm has a section of the same name in
# docs/runbook.md. The alarm's description links to the section, and a test compares the two.
#
# The metrics are documented in these places.
#
# - Lambda developer guide, "Types of metrics for Lambda functions"
# - Kinesis developer guide, "Monitor the Amazon Kinesis Data Streams service"
# - DynamoDB developer guide, "Metrics and dimensions"
# - API Gateway developer guide, "Monitor CloudWatch metrics for HTTP APIs"
#
# The alarms of the facts are in alarms_facts.tf.

# An alarm has a severity. A page needs somebody now, because orders are lost or refused, or soon
# will be. A ticket can wait until the morning.

locals {
  # The topics that are made here, which are those that are not given.
  topic_names = { for severity, name in { page = "alarms", ticket = "tickets" } : severity => name if var.alarm_topics[severity] == null }
  topics = {
    for severity in ["page", "ticket"] : severity => contains(keys(local.topic_names), severity) ? aws_sns_topic.alarms[severity].arn : var.alarm_topics[severity].arn
  }
  # Each address with the topic that it is subscribed to.
  subscriptions = merge([for severity, addresses in { page = var.alarm_emails, ticket = coalesce(var.ticket_emails, var.alarm_emails) } : {
    for address in addresses : "${severity} ${address}" => { severity = severity, address = address }
  }]...)
}

resource "aws_sns_topic" "alarms" {
  for_each = local.topic_names

  name              = "${var.name}-${each.value}"
  kms_master_key_id = local.key_arn
}

moved {
  from = aws_sns_topic.alarms
  to   = aws_sns_topic.alarms["page"]
}

resource "aws_sns_topic_policy" "alarms" {
  for_each = aws_sns_topic.alarms

  arn = each.value.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AlarmsOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = each.value.arn
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

moved {
  from = aws_sns_topic_policy.alarms
  to   = aws_sns_topic_policy.alarms["page"]
}

resource "aws_sns_topic_subscription" "email" {
  for_each = local.subscriptions

  topic_arn = local.topics[each.value.severity]
  protocol  = "email"
  endpoint  = each.value.address
}

# An alarm that nobody hears is no alarm. This warns, because the first deployment has to come
# before the pager can be subscribed.
check "somebody_is_subscribed" {
  assert {
    condition     = length(var.alarm_emails) > 0 || var.alarm_topics.page != null || var.alarms_are_heard
    error_message = "Nobody is subscribed to the alarms that page. Set alarm_emails or alarm_topics, or subscribe the pager to the output alarm_topic_arn and set alarms_are_heard = true."
  }
}

locals {
  of_api      = { FunctionName = aws_lambda_function.api.function_name }
  of_reader   = { FunctionName = one(aws_lambda_function.reader[*].function_name) }
  of_consumer = { FunctionName = aws_lambda_function.consumer.function_name }
  of_mapping  = { EventSourceMappingUUID = aws_lambda_event_source_mapping.consumer.uuid }
  of_stream   = { StreamName = aws_kinesis_stream.intents.name }
  of_table    = { TableName = aws_dynamodb_table.orders.name }
  of_queue    = { QueueName = aws_sqs_queue.discarded.name }
  of_http_api = { ApiId = one(aws_apigatewayv2_api.orders[*].id), Stage = "$default" }

  half_lifetime_seconds = local.record_lifetime_seconds / 2

  # A quarter of the stream's retention. CloudWatch looks back over a week at most.
  discard_patience_hours = min(floor(var.retention_hours / 4), 168)

  # Each entry of `metrics` maps an id to namespace, name, statistic and dimensions. The alarm is on
  # `expression`. It looks at `window` periods of `period` seconds, and fires if `of` of them are
  # beyond the threshold. An alarm with `one_shot` tells of an event that is not over when the
  # metric is quiet again. So it has no action for OK, which would close the pager's incident.
  alarms_always = {
    iterator-age = {
      severity    = "page"
      description = "The consumer is ${var.iterator_age_alarm_seconds} s behind, so accepted orders cannot be read yet. Nothing is lost so far. See what slows the consumer down, such as errors, throttles, the table or too few shards."
      metrics     = { age = { namespace = "AWS/Lambda", name = "IteratorAge", stat = "Maximum", dimensions = local.of_consumer } }
      expression  = "age / 1000"
      comparison  = "GreaterThanThreshold", threshold = var.iterator_age_alarm_seconds
      period      = 60, window = 5, of = 5
    }
    iterator-age-critical = {
      severity    = "page"
      description = "The consumer is behind by half of a record's lifetime. After ${local.record_lifetime_seconds} s accepted orders are lost. Raise the retention first (it applies at once), then mend."
      metrics     = { age = { namespace = "AWS/Lambda", name = "IteratorAge", stat = "Maximum", dimensions = local.of_consumer } }
      expression  = "age / 1000"
      comparison  = "GreaterThanThreshold", threshold = local.half_lifetime_seconds
      period      = 60, window = 1, of = 1
    }
    unfinished = {
      severity    = "page"
      description = "Intents could not be applied within an invocation, because the table is out of reach. Lambda begins to discard ${local.outage_budget_seconds} s after the outage began. If the outage will last longer, use the stop switch now."
      metrics     = { unfinished = { namespace = local.metric_namespace, name = "Unfinished", stat = "Sum", dimensions = {} } }
      expression  = "unfinished"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 60, window = 1, of = 1
    }
    discarded = {
      severity    = "page"
      one_shot    = true
      description = "Lambda gave up on intents and reported them, so accepted orders are not applied. Find out if poison or an outage is the cause. Then put the intents back while the stream keeps them (${var.retention_hours} h)."
      metrics     = { delivered = { namespace = "AWS/Lambda", name = "OnFailureDestinationDeliveredEventCount", stat = "Sum", dimensions = local.of_mapping } }
      expression  = "delivered"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 60, window = 1, of = 1
    }
    discards-waiting = {
      severity    = "page"
      description = "There has been a discard in the queue in each of the last ${local.discard_patience_hours} h. When the stream has deleted the record (after ${var.retention_hours} h), the order cannot be put back."
      # The alarm does not use the age of the oldest message, because SQS leaves out a message that
      # was received three times.
      #
      # A message that is received moves from one count to the other. So the minimum of either count
      # may be 0 although a discard waits. A count of messages in flight has no datapoint while none
      # is in flight (SQS developer guide, "Available CloudWatch metrics for Amazon SQS"). The
      # counts are approximate, so one message is about 1.
      metrics = {
        visible = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesVisible", stat = "Average", dimensions = local.of_queue }
        looked  = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesNotVisible", stat = "Average", dimensions = local.of_queue }
      }
      expression = "FILL(visible, 0) + FILL(looked, 0)"
      comparison = "GreaterThanOrEqualToThreshold", threshold = 0.9
      period     = 3600, window = local.discard_patience_hours, of = local.discard_patience_hours
    }
    dropped = {
      severity    = "page"
      one_shot    = true
      description = "Lambda gave up on intents and could not report them, so nobody will be told which intents they are. Mend the destination, then find them by replaying the stream from before now."
      metrics     = { dropped = { namespace = "AWS/Lambda", name = "DroppedEventCount", stat = "Sum", dimensions = local.of_mapping } }
      expression  = "dropped"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 60, window = 1, of = 1
    }
    destination-failures = {
      severity    = "page"
      one_shot    = true
      description = "Lambda cannot deliver to the on-failure destination. A permission or a key is missing, or the destination is gone. Each discard from now on is lost without a trace."
      metrics     = { failures = { namespace = "AWS/Lambda", name = "DestinationDeliveryFailures", stat = "Sum", dimensions = local.of_consumer } }
      expression  = "failures"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 60, window = 1, of = 1
    }
    poison = {
      severity    = "page"
      one_shot    = true
      description = "The stream holds records that can never be applied. Sound records are not held back for good. Somebody writes records that are not orders, such as another version of a producer, or a stranger with the right to write."
      metrics     = { rejected = { namespace = local.metric_namespace, name = "Rejected", stat = "Sum", dimensions = {} } }
      expression  = "rejected"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 60, window = 1, of = 1
    }
    conflicts = {
      severity    = "ticket"
      description = "Different orders came under one id, ${var.conflict_alarm_count} times in 15 minutes. A client reuses idempotency keys. The first order counts, and the others are recorded with it."
      metrics = {
        recorded  = { namespace = local.metric_namespace, name = "ConflictRecorded", stat = "Sum", dimensions = {} }
        truncated = { namespace = local.metric_namespace, name = "ConflictTruncated", stat = "Sum", dimensions = {} }
      }
      expression = "FILL(recorded, 0) + FILL(truncated, 0)"
      comparison = "GreaterThanOrEqualToThreshold", threshold = var.conflict_alarm_count
      period     = 900, window = 1, of = 1
    }
    api-errors = {
      severity    = "page"
      description = "Invocations of the api failed. The api timed out, crashed or cannot start. It answers a client's mistake with a response, so a failed invocation is never a client's fault."
      metrics     = { errors = { namespace = "AWS/Lambda", name = "Errors", stat = "Sum", dimensions = local.of_api } }
      expression  = "errors"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 3
      period      = 300, window = 1, of = 1
    }
    consumer-errors = {
      severity    = "page"
      description = "Invocations of the consumer failed. The consumer timed out, crashed or cannot start. It reports a record's failure without failing itself, so a record alone is never the cause. A batch that fails again and again is discarded."
      metrics     = { errors = { namespace = "AWS/Lambda", name = "Errors", stat = "Sum", dimensions = local.of_consumer } }
      expression  = "errors"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 3
      period      = 300, window = 1, of = 1
    }
    api-throttles = {
      severity    = "page"
      description = "Requests are refused because the api has no concurrency left. Clients get a 5xx or a 429, and nothing was accepted."
      metrics     = { throttles = { namespace = "AWS/Lambda", name = "Throttles", stat = "Sum", dimensions = local.of_api } }
      expression  = "throttles"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 60, window = 5, of = 3
    }
    consumer-throttles = {
      severity    = "ticket"
      description = "The mapping cannot invoke the consumer for want of concurrency. The mapping tries again, and discards nothing for this reason before the record's age is reached. But the consumer falls behind."
      metrics     = { throttles = { namespace = "AWS/Lambda", name = "Throttles", stat = "Sum", dimensions = local.of_consumer } }
      expression  = "throttles"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 60, window = 5, of = 5
    }
    concurrency = {
      severity    = "ticket"
      description = var.api_reserved_concurrency == null ? "The account is at 80 % of its concurrent executions. Soon functions are throttled, this service's among them." : "The api is at 80 % of its reserved concurrency. Soon requests are refused."
      metrics     = { executions = { namespace = "AWS/Lambda", name = "ConcurrentExecutions", stat = "Maximum", dimensions = var.api_reserved_concurrency == null ? {} : local.of_api } }
      expression  = "executions"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = ceil(0.8 * coalesce(var.api_reserved_concurrency, var.account_concurrency_limit))
      period      = 60, window = 5, of = 3
    }
    api-5xx = {
      severity    = "page"
      description = "More than 1 % of the answers are 5xx. They are at least five a minute, or all answers. Look at the status. 503 comes from the stream or the table, 500 from the service itself, and the gateway's own 5xx are timeouts and throttles."
      metrics = {
        errors   = local.http_api ? { namespace = "AWS/ApiGateway", name = "5xx", stat = "Sum", dimensions = local.of_http_api } : { namespace = "AWS/Lambda", name = "Url5xxCount", stat = "Sum", dimensions = local.of_api }
        requests = local.http_api ? { namespace = "AWS/ApiGateway", name = "Count", stat = "Sum", dimensions = local.of_http_api } : { namespace = "AWS/Lambda", name = "UrlRequestCount", stat = "Sum", dimensions = local.of_api }
      }
      # With few requests a single error is many percent. But where all requests fail, five a minute
      # may never come, so the alarm counts that minute too. This takes about a request a minute,
      # because a minute without a request does not count among the three.
      expression = "IF((errors >= 5) OR ((errors > 0) AND (errors == requests)), 100 * errors / requests, 0)"
      comparison = "GreaterThanThreshold", threshold = 1
      period     = 60, window = 5, of = 3
    }
    api-latency = {
      severity    = "ticket"
      description = "One request in a hundred takes longer than ${var.latency_alarm_milliseconds} ms. Submitting waits for the stream alone. Look at the stream's throttles and latency."
      metrics = {
        latency = local.http_api ? { namespace = "AWS/ApiGateway", name = "Latency", stat = "p99", dimensions = merge(local.of_http_api, { Method = "POST", Resource = "/orders" }) } : { namespace = "AWS/Lambda", name = "UrlRequestLatency", stat = "p99", dimensions = local.of_api }
      }
      expression = "latency"
      comparison = "GreaterThanThreshold", threshold = var.latency_alarm_milliseconds
      period     = 60, window = 5, of = 3
    }
    table-throttles = {
      severity    = "ticket"
      description = "DynamoDB throttles the table. The consumer waits and tries again, so orders come later. If the throttling lasts, see unfinished."
      metrics = {
        writes = { namespace = "AWS/DynamoDB", name = "WriteThrottleEvents", stat = "Sum", dimensions = local.of_table }
        reads  = { namespace = "AWS/DynamoDB", name = "ReadThrottleEvents", stat = "Sum", dimensions = local.of_table }
      }
      expression = "FILL(writes, 0) + FILL(reads, 0)"
      comparison = "GreaterThanOrEqualToThreshold", threshold = 1
      period     = 60, window = 5, of = 3
    }
    stream-throttles = {
      severity    = "page"
      description = "Kinesis refuses puts or reads. A refused put is tried three times and then answered 503, so clients are turned away. The stream needs more shards, or one key gets too much."
      metrics = {
        puts  = { namespace = "AWS/Kinesis", name = "WriteProvisionedThroughputExceeded", stat = "Sum", dimensions = local.of_stream }
        reads = { namespace = "AWS/Kinesis", name = "ReadProvisionedThroughputExceeded", stat = "Sum", dimensions = local.of_stream }
      }
      expression = "FILL(puts, 0) + FILL(reads, 0)"
      comparison = "GreaterThanOrEqualToThreshold", threshold = 1
      period     = 60, window = 5, of = 3
    }
  }

  # These two of each pair tell nobody. The alarm of both (local.composites) does. A metric that has
  # no datapoint at all has none after FILL either, so the absence of reading needs an alarm of its
  # own.
  alarms_without_action = {
    consumer-stalled-incoming = {
      severity    = "none"
      description = "Intents come in. This is a part of consumer-stalled."
      metrics     = { incoming = { namespace = "AWS/Kinesis", name = "IncomingRecords", stat = "Sum", dimensions = local.of_stream } }
      expression  = "incoming"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      # The period is five minutes and not one. A service with an order every few minutes would
      # never have ten such minutes in a row.
      period = 300, window = 2, of = 2
    }
    consumer-stalled-unread = {
      severity    = "none"
      description = "The mapping reads nothing. This is a part of consumer-stalled."
      metrics     = { polled = { namespace = "AWS/Lambda", name = "PolledEventCount", stat = "Sum", dimensions = local.of_mapping } }
      expression  = "polled"
      comparison  = "LessThanThreshold", threshold = 1
      period      = 300, window = 2, of = 2
      missing     = "breaching"
    }
    consumer-stopped-incoming = {
      severity    = "none"
      description = "Intents came in during six hours. This is a part of consumer-stopped."
      metrics     = { incoming = { namespace = "AWS/Kinesis", name = "IncomingRecords", stat = "Sum", dimensions = local.of_stream } }
      expression  = "incoming"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      # The period is a quarter of the shortest retention. The window slides. So the first order
      # after six quiet hours may be in the window before it is read.
      period = 21600, window = 1, of = 1
    }
    consumer-stopped-unread = {
      severity    = "none"
      description = "The mapping read nothing during six hours. This is a part of consumer-stopped."
      metrics     = { polled = { namespace = "AWS/Lambda", name = "PolledEventCount", stat = "Sum", dimensions = local.of_mapping } }
      expression  = "polled"
      comparison  = "LessThanThreshold", threshold = 1
      period      = 21600, window = 1, of = 1
      missing     = "breaching"
    }
  }

  # Each fires while both of its parts do, which are NAME-incoming and NAME-unread.
  composites = {
    consumer-stalled = {
      severity    = "page"
      description = "Intents come in and the mapping reads none. The mapping is disabled, cannot read the stream (role, key) or is throttled. The iterator age does not show this, because it is measured at an invocation."
    }
    consumer-stopped = {
      severity    = "page"
      description = "Intents came in during six hours and the mapping read none. After ${local.record_lifetime_seconds} s accepted orders are lost without a report. This alarm is for a service with few orders. A service with more orders is told by consumer-stalled."
    }
  }

  alarms_of_archive = {
    discards-in-archive = {
      severity    = "ticket"
      description = "There are discards in the archive. Accepted orders are not applied until somebody puts them back. S3 counts the objects once a day."
      metrics     = { objects = { namespace = "AWS/S3", name = "NumberOfObjects", stat = "Average", dimensions = { BucketName = one(aws_s3_bucket.discarded[*].id), StorageType = "AllStorageTypes" } } }
      expression  = "objects"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      # The count of a day comes late in the next day.
      period = 86400, window = 2, of = 1
    }
  }

  # The gateway's own answers, which never reach a function. They come from the access log, because
  # the gateway's metric of 4xx has all client errors in it.
  alarms_of_gateway = {
    gateway-throttles = {
      severity    = "ticket"
      description = "The gateway refuses requests with 429, because more come than requests_per_second and request_burst let pass. Nothing was accepted."
      metrics     = { throttled = { namespace = local.metric_namespace, name = "GatewayThrottled", stat = "Sum", dimensions = {} } }
      expression  = "throttled"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 60, window = 5, of = 3
    }
    gateway-refusals = {
      severity    = "page"
      description = "The gateway refuses half of the requests or more with 401 or 403, and at least five a minute. The issuer's keys cannot be read, tokens have another audience, or somebody tries tokens."
      metrics = {
        refused  = { namespace = local.metric_namespace, name = "GatewayRefused", stat = "Sum", dimensions = {} }
        requests = { namespace = "AWS/ApiGateway", name = "Count", stat = "Sum", dimensions = local.of_http_api }
      }
      expression = "IF((refused >= 5) AND (2 * refused >= requests), 1, 0)"
      comparison = "GreaterThanOrEqualToThreshold", threshold = 1
      period     = 60, window = 5, of = 3
    }
  }

  alarms_of_traffic = {
    no-traffic = {
      severity    = "page"
      description = "No request came for ${coalesce(var.no_traffic_alarm_minutes, 5)} minutes. The domain, a certificate or the clients are broken. The service itself may be well."
      metrics     = { requests = local.http_api ? { namespace = "AWS/ApiGateway", name = "Count", stat = "Sum", dimensions = local.of_http_api } : { namespace = "AWS/Lambda", name = "UrlRequestCount", stat = "Sum", dimensions = local.of_api } }
      expression  = "requests"
      comparison  = "LessThanThreshold", threshold = 1
      period      = 300, window = coalesce(var.no_traffic_alarm_minutes, 5) / 5, of = coalesce(var.no_traffic_alarm_minutes, 5) / 5
      missing     = "breaching"
    }
  }

  alarms_of_provisioned_stream = {
    stream-capacity = {
      severity    = "ticket"
      description = "The stream is at 80 % of the capacity of its ${var.shard_count} shards. Add shards before puts are refused."
      metrics = {
        bytes   = { namespace = "AWS/Kinesis", name = "IncomingBytes", stat = "Sum", dimensions = local.of_stream }
        records = { namespace = "AWS/Kinesis", name = "IncomingRecords", stat = "Sum", dimensions = local.of_stream }
      }
      # The value is in percent of the capacity of a minute. The limits are 1 MB and 1,000 records,
      # so a record a kilobyte weighs them alike.
      expression = "IF(bytes > 1000 * records, bytes / 1000, records) / ${var.shard_count * 60 * 10}"
      comparison = "GreaterThanOrEqualToThreshold", threshold = 80
      period     = 60, window = 5, of = 5
    }
  }

  # Behind a function URL the api reads, so its alarms are those of reads as well.
  alarms_of_reader = {
    reader-errors = {
      severity    = "page"
      description = "Invocations of the reader failed. The reader timed out, crashed or cannot start. Orders are accepted as ever, and clients cannot read them."
      metrics     = { errors = { namespace = "AWS/Lambda", name = "Errors", stat = "Sum", dimensions = local.of_reader } }
      expression  = "errors"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 3
      period      = 300, window = 1, of = 1
    }
    reader-throttles = {
      severity    = "ticket"
      description = "Reads are refused because the reader has no concurrency left. Clients get 503 and may read again. Orders are accepted as ever."
      metrics     = { throttles = { namespace = "AWS/Lambda", name = "Throttles", stat = "Sum", dimensions = local.of_reader } }
      expression  = "throttles"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 60, window = 5, of = 3
    }
    reader-latency = {
      severity    = "ticket"
      description = "Half of the reads take longer than ${var.latency_alarm_milliseconds} ms. A read that waits takes as long as the order does. So the consumer is behind, or the table is slow."
      metrics     = { latency = { namespace = "AWS/ApiGateway", name = "Latency", stat = "p50", dimensions = merge(local.of_http_api, { Method = "GET", Resource = "/orders/{id}" }) } }
      expression  = "latency"
      comparison  = "GreaterThanThreshold", threshold = var.latency_alarm_milliseconds
      period      = 60, window = 5, of = 5
    }
  }

  alarms_of_reserved_reader = {
    reader-concurrency = {
      severity    = "ticket"
      description = "The reader is at 80 % of its reserved concurrency. Soon reads are refused."
      metrics     = { executions = { namespace = "AWS/Lambda", name = "ConcurrentExecutions", stat = "Maximum", dimensions = local.of_reader } }
      expression  = "executions"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = ceil(0.8 * coalesce(var.reader_reserved_concurrency, 1))
      period      = 60, window = 5, of = 3
    }
  }

  alarms = merge(
    local.alarms_always,
    local.alarms_without_action,
    { for name, alarm in local.alarms_of_archive : name => alarm if var.discard_destination == "s3" },
    { for name, alarm in local.alarms_of_gateway : name => alarm if local.http_api && (name != "gateway-refusals" || var.caller != "none") },
    { for name, alarm in local.alarms_of_traffic : name => alarm if var.no_traffic_alarm_minutes != null },
    { for name, alarm in local.alarms_of_reader : name => alarm if local.http_api },
    { for name, alarm in local.alarms_of_reserved_reader : name => alarm if local.http_api && var.reader_reserved_concurrency != null },
    { for name, alarm in local.alarms_of_provisioned_stream : name => alarm if var.stream_mode == "PROVISIONED" },
    { for name, alarm in local.alarms_of_facts : name => alarm if var.facts },
    { for name, alarm in local.alarms_without_action_of_facts : name => alarm if var.facts },
    { for name, alarm in local.alarms_of_provisioned_facts : name => alarm if var.facts && var.facts_stream_mode == "PROVISIONED" },
  )
}

resource "aws_cloudwatch_metric_alarm" "orders" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.description} What to do: ${var.runbook_url}#${each.key}"
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  evaluation_periods  = each.value.window
  datapoints_to_alarm = each.value.of
  # Without traffic there is no metric, and missing data must not fire. Where their absence is the
  # trouble, the alarm says so.
  treat_missing_data = try(each.value.missing, "notBreaching")
  alarm_actions      = each.value.severity == "none" ? [] : [local.topics[each.value.severity]]
  ok_actions         = each.value.severity == "none" || try(each.value.one_shot, false) ? [] : [local.topics[each.value.severity]]
  tags               = { Severity = each.value.severity }

  metric_query {
    id          = "value"
    expression  = each.value.expression
    label       = each.key
    return_data = true
  }

  dynamic "metric_query" {
    for_each = each.value.metrics

    content {
      id          = metric_query.key
      return_data = false

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        stat        = metric_query.value.stat
        period      = each.value.period
        dimensions  = metric_query.value.dimensions
      }
    }
  }
}

resource "aws_cloudwatch_composite_alarm" "orders" {
  for_each = merge(local.composites, { for name, alarm in local.composites_of_facts : name => alarm if var.facts })

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = "${each.value.description} What to do: ${var.runbook_url}#${each.key}"
  alarm_rule        = "ALARM(\"${aws_cloudwatch_metric_alarm.orders["${each.key}-incoming"].alarm_name}\") AND ALARM(\"${aws_cloudwatch_metric_alarm.orders["${each.key}-unread"].alarm_name}\")"
  alarm_actions     = [local.topics[each.value.severity]]
  ok_actions        = [local.topics[each.value.severity]]
  tags              = { Severity = each.value.severity }
}
