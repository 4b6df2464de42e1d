# The outputs of a deployment, for people who use, watch or extend it.

locals {
  url = local.http_api ? one(aws_apigatewayv2_api.orders[*].api_endpoint) : trimsuffix(one(aws_lambda_function_url.api[*].function_url), "/")
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
  value       = var.table_change_stream ? aws_dynamodb_table.orders.stream_arn : null
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
  value       = aws_kms_key.orders.arn
}

output "alarm_topic_arn" {
  description = "The topic on which alarms are published. Subscribe the pager to it."
  value       = aws_sns_topic.alarms.arn
}

output "dashboard" {
  description = "The dashboard's name."
  value       = aws_cloudwatch_dashboard.pipeline.dashboard_name
}
