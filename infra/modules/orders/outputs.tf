# The outputs of a deployment, for people who use, watch or extend it.

locals {
  url = local.http_api && var.domain != null ? "https://${try(var.domain.name, "")}${trimsuffix(var.base_path, "/")}" : local.http_api ? one(aws_apigatewayv2_api.orders[*].api_endpoint) : trimsuffix(one(aws_lambda_function_url.api[*].function_url), "/")
}

output "url" {
  description = "The URL of the service. docs/http.md describes the requests."
  value       = local.url
}

output "first_order" {
  description = "A command that submits an order and shows the order. With caller = jwt:CLAIM or iam the command also needs a token or a signature."
  value       = <<-EOT
    curl -s ${local.url}/orders -H 'Content-Type: application/json' -d '{"customer_id": "c-1", "currency": "EUR", "items": [{"sku": "A-1", "quantity": 2, "unit_price": 1299}]}' | tee order.json
    curl -s -H 'Prefer: wait=5' ${local.url}/orders/$(sed 's/.*"order_id":"\([^"]*\)".*/\1/' order.json)
  EOT
}

output "outage_budget_seconds" {
  description = "The least seconds of an outage of the table that are ridden out without a discard. For a longer outage use the stop switch (consumer_enabled = false)."
  value       = local.outage_budget_seconds

  precondition {
    condition     = local.outage_budget_seconds < local.record_lifetime_seconds
    error_message = "The retries must be used up within a record's lifetime. Otherwise the record is gone before the outage is ridden out. Lower maximum_retry_attempts or consumer_timeout_seconds, or raise retention_hours or maximum_record_age_seconds."
  }
}

output "record_lifetime_seconds" {
  description = "The seconds after its acceptance in which an intent can be applied. After this time the intent is discarded or expired."
  value       = local.record_lifetime_seconds
}

output "stream_arn" {
  description = "The stream of intents."
  value       = aws_kinesis_stream.intents.arn
}

output "table_arn" {
  description = "The table of orders."
  value       = aws_dynamodb_table.orders.arn
}

output "table_stream_arn" {
  description = "The table's change stream, or null."
  value       = local.change_stream ? aws_dynamodb_table.orders.stream_arn : null
}

output "facts_stream_arn" {
  description = "The stream of facts, or null."
  value       = one(aws_kinesis_stream.facts[*].arn)
}

output "facts_outage_budget_seconds" {
  description = "The least seconds of an outage of the stream of facts, or of the table of announcements, that are ridden out without a discard. Null without facts."
  value       = var.facts ? local.facts_outage_budget_seconds : null

  precondition {
    condition     = !var.facts || local.facts_outage_budget_seconds < var.notifier_maximum_record_age_seconds
    error_message = "The notifier's retries must be used up before a change is too old. Lower notifier_maximum_retry_attempts or notifier_timeout_seconds, or raise notifier_maximum_record_age_seconds."
  }
}

output "subscriber" {
  description = "The inputs of a subscriber (examples/subscriber), which are the stream of facts, its key, and the settings of a mapping. Null without facts."
  value = var.facts ? {
    facts_stream_arn      = aws_kinesis_stream.facts[0].arn
    facts_key_arn         = local.key_arn
    facts_retention_hours = var.facts_retention_hours
    settings = {
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
  } : null
}

output "announce" {
  description = "The environment of the command announce, as a shell reads it. Null without facts."
  value       = var.facts ? "export TABLE_NAME=${aws_dynamodb_table.orders.name} FACTS_STREAM_NAME=${aws_kinesis_stream.facts[0].name} ANNOUNCEMENTS_TABLE_NAME=${aws_dynamodb_table.announcements[0].name}" : null
}

output "announce_policy_arn" {
  description = "The policy for an operator who runs the command announce, or null."
  value       = one(aws_iam_policy.announce[*].arn)
}

output "changes_discard_queue_url" {
  description = "The queue of changes that Lambda gave up on, or null."
  value       = one(aws_sqs_queue.changes_discarded[*].url)
}

output "notifier_mapping_id" {
  description = "The notifier's event source mapping, or null."
  value       = one(aws_lambda_event_source_mapping.notifier[*].uuid)
}

output "notifier_function" {
  description = "The notifier's name, and the version that its alias names. Null without facts."
  value = var.facts ? {
    name    = aws_lambda_function.notifier[0].function_name
    alias   = aws_lambda_alias.notifier[0].arn
    version = aws_lambda_alias.notifier[0].function_version
    newest  = aws_lambda_function.notifier[0].version
  } : null
}

output "discard_destination_arn" {
  description = "The queue or bucket that is told of discards."
  value       = local.discard_destination_arn
}

output "discard_queue_url" {
  description = "The queue of discards. If the destination is a bucket, the queue still keeps the discards from before."
  value       = aws_sqs_queue.discarded.url
}

output "mapping_id" {
  description = "The event source mapping, for `aws lambda get-event-source-mapping --uuid`."
  value       = aws_lambda_event_source_mapping.consumer.uuid
}

output "api_function" {
  description = "The api's name, and the version that its alias names."
  value = {
    name    = aws_lambda_function.api.function_name
    alias   = aws_lambda_alias.api.arn
    version = aws_lambda_alias.api.function_version
    newest  = aws_lambda_function.api.version
  }
}

output "reader_function" {
  description = "The reader's name, and the version that its alias names. Null behind a function URL."
  value = local.http_api ? {
    name    = aws_lambda_function.reader[0].function_name
    alias   = aws_lambda_alias.reader[0].arn
    version = aws_lambda_alias.reader[0].function_version
    newest  = aws_lambda_function.reader[0].version
  } : null
}

output "consumer_function" {
  description = "The consumer's name, and the version that its alias names."
  value = {
    name    = aws_lambda_function.consumer.function_name
    alias   = aws_lambda_alias.consumer.arn
    version = aws_lambda_alias.consumer.function_version
    newest  = aws_lambda_function.consumer.version
  }
}

output "key_arn" {
  description = "The key that everything is encrypted under."
  value       = local.key_arn
}

output "key_policy" {
  description = "The key policy that the service needs, as JSON. A key of yours (kms_key) has this policy, or a policy with its statements. It does not depend on a key, so the key may be made with it."
  value       = local.key_policy
}

output "alarm_topic_arn" {
  description = "The topic on which alarms that page are published. Subscribe the pager to it."
  value       = local.topics.page
}

output "ticket_topic_arn" {
  description = "The topic on which alarms are published that can wait until the morning."
  value       = local.topics.ticket
}

output "dashboard" {
  description = "The dashboard's name."
  value       = aws_cloudwatch_dashboard.pipeline.dashboard_name
}

output "log_groups" {
  description = "The names of the log groups, by what logs there."
  value       = { for name, group in local.log_groups : name => group.name }
}

output "queues" {
  description = "The URLs of the queues of discards, by what was discarded."
  value       = merge({ intents = aws_sqs_queue.discarded.url }, { for queue in aws_sqs_queue.changes_discarded : "changes" => queue.url })
}

output "functions" {
  description = "The names of the functions."
  value       = local.functions[*].function_name
}

output "streams" {
  description = "The names of the streams."
  value       = local.streams[*].name
}

output "operator_policy_arn" {
  description = "The policy for the person who is paged."
  value       = aws_iam_policy.operator.arn
}

output "operator_role_arn" {
  description = "The role for the person who is paged, or null."
  value       = one(aws_iam_role.operator[*].arn)
}
