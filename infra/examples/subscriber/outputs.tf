# The outputs for people who watch the subscriber.

output "mapping_id" {
  description = "The event source mapping, for `aws lambda get-event-source-mapping --uuid`."
  value       = aws_lambda_event_source_mapping.shipping.uuid
}

output "discard_queue_url" {
  description = "The queue of facts that Lambda gave up on."
  value       = aws_sqs_queue.facts_discarded.url
}

output "shipments_table_name" {
  description = "The table of shipments."
  value       = aws_dynamodb_table.shipments.name
}
