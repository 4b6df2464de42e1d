# The alarms of the facts, in the form that alarms.tf describes. No order depends on the facts. But
# subscribers do not hear of orders while facts are missing.

locals {
  # Without facts these dimensions are null, and nothing uses them.
  of_notifier        = { FunctionName = one(aws_lambda_function.notifier[*].function_name) }
  of_changes_mapping = { EventSourceMappingUUID = one(aws_lambda_event_source_mapping.notifier[*].uuid) }
  of_facts           = { StreamName = one(aws_kinesis_stream.facts[*].name) }
  of_announcements   = { TableName = one(aws_dynamodb_table.announcements[*].name) }
  of_changes_queue   = { QueueName = one(aws_sqs_queue.changes_discarded[*].name) }

  # An hour, and six hours, which leaves most of a change's 22 hours to mend. A shorter record age
  # makes both shorter.
  notifier_late_seconds     = min(3600, floor(var.notifier_maximum_record_age_seconds / 4))
  notifier_too_late_seconds = min(21600, floor(var.notifier_maximum_record_age_seconds / 2))

  alarms_of_facts = {
    notifier-iterator-age = {
      severity    = "ticket"
      description = "The notifier is ${local.notifier_late_seconds} s behind, so subscribers hear late of orders. Nothing is lost so far. This can wait until the morning if the age falls."
      metrics     = { age = { namespace = "AWS/Lambda", name = "IteratorAge", stat = "Maximum", dimensions = local.of_notifier } }
      expression  = "age / 1000"
      comparison  = "GreaterThanThreshold", threshold = local.notifier_late_seconds
      period      = 60, window = 5, of = 5
    }
    notifier-iterator-age-critical = {
      severity    = "page"
      description = "The notifier is ${local.notifier_too_late_seconds} s behind. After ${var.notifier_maximum_record_age_seconds} s changes are discarded. The change stream forgets them after 24 hours, which nothing can raise. Mend it now."
      metrics     = { age = { namespace = "AWS/Lambda", name = "IteratorAge", stat = "Maximum", dimensions = local.of_notifier } }
      expression  = "age / 1000"
      comparison  = "GreaterThanThreshold", threshold = local.notifier_too_late_seconds
      period      = 60, window = 1, of = 1
    }
    notifier-errors = {
      severity    = "ticket"
      description = "Invocations of the notifier failed. The notifier timed out, crashed or cannot start. It reports a change's failure without failing itself, so a change alone is never the cause. A batch that fails again and again is discarded."
      metrics     = { errors = { namespace = "AWS/Lambda", name = "Errors", stat = "Sum", dimensions = local.of_notifier } }
      expression  = "errors"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 3
      period      = 300, window = 1, of = 1
    }
    notifier-throttles = {
      severity    = "ticket"
      description = "The mapping cannot invoke the notifier for want of concurrency. The mapping tries again, and discards nothing for this reason before the change's age is reached. But the notifier falls behind."
      metrics     = { throttles = { namespace = "AWS/Lambda", name = "Throttles", stat = "Sum", dimensions = local.of_notifier } }
      expression  = "throttles"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 60, window = 5, of = 5
    }
    publish-failures = {
      severity    = "ticket"
      description = "Puts into the stream of facts, or marks of facts, fail in most minutes. The notifier tries again, so facts come late. Lambda begins to discard changes ${local.facts_outage_budget_seconds} s after an outage began."
      metrics     = { failures = { namespace = local.metric_namespace, name = "PublishFailures", stat = "Sum", dimensions = {} } }
      expression  = "failures"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 60, window = 5, of = 3
    }
    publish-failures-to-mend = {
      severity    = "ticket"
      description = "Puts into the stream of facts, or marks of facts, fail with an error that does not pass by itself, such as a missing permission. Lambda begins to discard changes ${local.facts_outage_budget_seconds} s after it began."
      metrics     = { failures = { namespace = local.metric_namespace, name = "PublishFailuresToMend", stat = "Sum", dimensions = {} } }
      expression  = "failures"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 60, window = 1, of = 1
    }
    changes-unfinished = {
      severity    = "ticket"
      description = "Facts of changes could not be published and marked within an invocation, because the stream of facts or the table of announcements is out of reach. Lambda begins to discard changes ${local.facts_outage_budget_seconds} s after the outage began."
      metrics     = { unfinished = { namespace = local.metric_namespace, name = "ChangesUnfinished", stat = "Sum", dimensions = {} } }
      expression  = "unfinished"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 60, window = 1, of = 1
    }
    changes-rejected = {
      severity    = "ticket"
      one_shot    = true
      description = "The notifier cannot read changes of the orders table. A newer consumer or somebody else has written rows, or the change stream lacks an image. The facts of these orders are missing until announce publishes them."
      metrics     = { rejected = { namespace = local.metric_namespace, name = "ChangesRejected", stat = "Sum", dimensions = {} } }
      expression  = "rejected"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 60, window = 1, of = 1
    }
    changes-discarded = {
      severity    = "ticket"
      one_shot    = true
      description = "Lambda gave up on changes and reported them, so facts of orders are missing. Mend the cause, then run announce --missing, which finds these facts by the orders."
      metrics     = { delivered = { namespace = "AWS/Lambda", name = "OnFailureDestinationDeliveredEventCount", stat = "Sum", dimensions = local.of_changes_mapping } }
      expression  = "delivered"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 60, window = 1, of = 1
    }
    changes-dropped = {
      severity    = "ticket"
      one_shot    = true
      description = "Lambda gave up on changes and could not report them. Facts of orders are missing. Mend the destination, then run announce --missing, which does not need the report."
      metrics     = { dropped = { namespace = "AWS/Lambda", name = "DroppedEventCount", stat = "Sum", dimensions = local.of_changes_mapping } }
      expression  = "dropped"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 60, window = 1, of = 1
    }
    changes-destination-failures = {
      severity    = "ticket"
      one_shot    = true
      description = "Lambda cannot deliver to the on-failure queue of the notifier. A permission or a key is missing, or the queue is gone. Each discard from now on leaves facts missing without a report."
      metrics     = { failures = { namespace = "AWS/Lambda", name = "DestinationDeliveryFailures", stat = "Sum", dimensions = local.of_notifier } }
      expression  = "failures"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 60, window = 1, of = 1
    }
    changes-discards-waiting = {
      severity    = "ticket"
      description = "There has been a report of discarded changes in the queue in each of the last 24 hours. Facts of orders are missing as long. Run announce --missing, then delete the reports."
      # The counts are read as those of discards-waiting.
      metrics = {
        visible = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesVisible", stat = "Average", dimensions = local.of_changes_queue }
        looked  = { namespace = "AWS/SQS", name = "ApproximateNumberOfMessagesNotVisible", stat = "Average", dimensions = local.of_changes_queue }
      }
      expression = "FILL(visible, 0) + FILL(looked, 0)"
      comparison = "GreaterThanOrEqualToThreshold", threshold = 0.9
      period     = 3600, window = 24, of = 24
    }
    facts-throttles = {
      severity    = "ticket"
      description = "Kinesis refuses puts into the stream of facts, or reads from it. The notifier tries again, and its subscribers fall behind. The stream needs more shards, or it has too many readers."
      metrics = {
        puts  = { namespace = "AWS/Kinesis", name = "WriteProvisionedThroughputExceeded", stat = "Sum", dimensions = local.of_facts }
        reads = { namespace = "AWS/Kinesis", name = "ReadProvisionedThroughputExceeded", stat = "Sum", dimensions = local.of_facts }
      }
      expression = "FILL(puts, 0) + FILL(reads, 0)"
      comparison = "GreaterThanOrEqualToThreshold", threshold = 1
      period     = 60, window = 5, of = 3
    }
    announcements-throttles = {
      severity    = "ticket"
      description = "DynamoDB throttles the table of announcements. The notifier waits and tries again, so facts are published and marked later. If the throttling lasts, see changes-unfinished."
      metrics = {
        writes = { namespace = "AWS/DynamoDB", name = "WriteThrottleEvents", stat = "Sum", dimensions = local.of_announcements }
        reads  = { namespace = "AWS/DynamoDB", name = "ReadThrottleEvents", stat = "Sum", dimensions = local.of_announcements }
      }
      expression = "FILL(writes, 0) + FILL(reads, 0)"
      comparison = "GreaterThanOrEqualToThreshold", threshold = 1
      period     = 60, window = 5, of = 3
    }
  }

  # A change stream has no metric of what comes in. But each intent that is applied is a change. The
  # periods are those of consumer-stopped, for the same reason.
  alarms_without_action_of_facts = {
    notifier-stopped-incoming = {
      severity    = "none"
      description = "Intents were applied during six hours. This is a part of notifier-stopped."
      metrics     = { applied = { namespace = local.metric_namespace, name = "Applied", stat = "Sum", dimensions = {} } }
      expression  = "applied"
      comparison  = "GreaterThanOrEqualToThreshold", threshold = 1
      period      = 21600, window = 1, of = 1
    }
    notifier-stopped-unread = {
      severity    = "none"
      description = "The notifier's mapping read nothing during six hours. This is a part of notifier-stopped."
      metrics     = { polled = { namespace = "AWS/Lambda", name = "PolledEventCount", stat = "Sum", dimensions = local.of_changes_mapping } }
      expression  = "polled"
      comparison  = "LessThanThreshold", threshold = 1
      period      = 21600, window = 1, of = 1
      missing     = "breaching"
    }
  }

  composites_of_facts = {
    notifier-stopped = {
      severity    = "page"
      description = "Intents were applied during six hours, and the notifier's mapping read no change. The mapping is disabled, cannot read the change stream (role, key) or is throttled. The iterator age does not show this, because it is measured at an invocation."
    }
  }

  alarms_of_provisioned_facts = {
    facts-capacity = {
      severity    = "ticket"
      description = "The stream of facts is at 80 % of the capacity of its ${var.facts_shard_count} shards. Add shards before puts are refused."
      metrics = {
        bytes   = { namespace = "AWS/Kinesis", name = "IncomingBytes", stat = "Sum", dimensions = local.of_facts }
        records = { namespace = "AWS/Kinesis", name = "IncomingRecords", stat = "Sum", dimensions = local.of_facts }
      }
      # The value is made as that of stream-capacity.
      expression = "IF(bytes > 1000 * records, bytes / 1000, records) / ${var.facts_shard_count * 60 * 10}"
      comparison = "GreaterThanOrEqualToThreshold", threshold = 80
      period     = 60, window = 5, of = 5
    }
  }
}
