# Written by infra/bin/reference.

# The outputs of a deployment, which are the module's.

output "url" {
  description = "The URL of the service. docs/http.md describes the requests."
  value       = module.orders.url
}

output "first_order" {
  description = "A command that submits an order and shows the order. With caller = jwt:CLAIM or iam the command also needs a token or a signature."
  value       = module.orders.first_order
}

output "outage_budget_seconds" {
  description = "The least seconds of an outage of the table that are ridden out without a discard. For a longer outage use the stop switch (consumer_enabled = false)."
  value       = module.orders.outage_budget_seconds
}

output "record_lifetime_seconds" {
  description = "The seconds after its acceptance in which an intent can be applied. After this time the intent is discarded or expired."
  value       = module.orders.record_lifetime_seconds
}

output "stream_arn" {
  description = "The stream of intents."
  value       = module.orders.stream_arn
}

output "table_arn" {
  description = "The table of orders."
  value       = module.orders.table_arn
}

output "table_stream_arn" {
  description = "The table's change stream, or null."
  value       = module.orders.table_stream_arn
}

output "facts_stream_arn" {
  description = "The stream of facts, or null."
  value       = module.orders.facts_stream_arn
}

output "facts_outage_budget_seconds" {
  description = "The least seconds of an outage of the stream of facts, or of the table of announcements, that are ridden out without a discard. Null without facts."
  value       = module.orders.facts_outage_budget_seconds
}

output "subscriber" {
  description = "The inputs of a subscriber (examples/subscriber), which are the stream of facts, its key, and the settings of a mapping. Null without facts."
  value       = module.orders.subscriber
}

output "announce" {
  description = "The environment of the command announce, as a shell reads it. Null without facts."
  value       = module.orders.announce
}

output "announce_policy_arn" {
  description = "The policy for an operator who runs the command announce, or null."
  value       = module.orders.announce_policy_arn
}

output "changes_discard_queue_url" {
  description = "The queue of changes that Lambda gave up on, or null."
  value       = module.orders.changes_discard_queue_url
}

output "notifier_mapping_id" {
  description = "The notifier's event source mapping, or null."
  value       = module.orders.notifier_mapping_id
}

output "notifier_function" {
  description = "The notifier's name, and the version that its alias names. Null without facts."
  value       = module.orders.notifier_function
}

output "discard_destination_arn" {
  description = "The queue or bucket that is told of discards."
  value       = module.orders.discard_destination_arn
}

output "discard_queue_url" {
  description = "The queue of discards. If the destination is a bucket, the queue still keeps the discards from before."
  value       = module.orders.discard_queue_url
}

output "mapping_id" {
  description = "The event source mapping, for `aws lambda get-event-source-mapping --uuid`."
  value       = module.orders.mapping_id
}

output "api_function" {
  description = "The api's name, and the version that its alias names."
  value       = module.orders.api_function
}

output "reader_function" {
  description = "The reader's name, and the version that its alias names. Null behind a function URL."
  value       = module.orders.reader_function
}

output "consumer_function" {
  description = "The consumer's name, and the version that its alias names."
  value       = module.orders.consumer_function
}

output "key_arn" {
  description = "The key that everything is encrypted under."
  value       = module.orders.key_arn
}

output "key_policy" {
  description = "The key policy that the service needs, as JSON. A key of yours (kms_key) has this policy, or a policy with its statements. It does not depend on a key, so the key may be made with it."
  value       = module.orders.key_policy
}

output "alarm_topic_arn" {
  description = "The topic on which alarms that page are published. Subscribe the pager to it."
  value       = module.orders.alarm_topic_arn
}

output "ticket_topic_arn" {
  description = "The topic on which alarms are published that can wait until the morning."
  value       = module.orders.ticket_topic_arn
}

output "dashboard" {
  description = "The dashboard's name."
  value       = module.orders.dashboard
}

output "log_groups" {
  description = "The names of the log groups, by what logs there."
  value       = module.orders.log_groups
}

output "queues" {
  description = "The URLs of the queues of discards, by what was discarded."
  value       = module.orders.queues
}

output "functions" {
  description = "The names of the functions."
  value       = module.orders.functions
}

output "streams" {
  description = "The names of the streams."
  value       = module.orders.streams
}

output "operator_policy_arn" {
  description = "The policy for the person who is paged."
  value       = module.orders.operator_policy_arn
}

output "operator_role_arn" {
  description = "The role for the person who is paged, or null."
  value       = module.orders.operator_role_arn
}
