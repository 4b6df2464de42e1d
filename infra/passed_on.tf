# Written by infra/bin/reference.

# The variables that the module describes, validates and has the defaults of. A null leaves the
# value to the module's default, so that each default has one home.

variable "permissions_boundary_arn" {
  type    = string
  default = null
}

variable "kms_key" {
  type = object({
    arn      = string
    keep_own = optional(bool, false)
  })
  default = null
}

variable "other_kms_key_arns" {
  type    = list(string)
  default = null
}

variable "packages_s3" {
  type = object({
    bucket   = string
    api      = object({ key = string, version = optional(string) })
    consumer = object({ key = string, version = optional(string) })
    notifier = optional(object({ key = string, version = optional(string) }))
  })
  default = null
}

variable "vpc" {
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
  default = null
}

variable "architecture" {
  type    = string
  default = null
}

variable "log_level" {
  type    = string
  default = null
}

variable "log_retention_days" {
  type    = number
  default = null
}

variable "operator_principal_arns" {
  type    = list(string)
  default = null
}

variable "tracing" {
  type    = bool
  default = null
}

variable "api_reserved_concurrency" {
  type    = number
  default = null
}

variable "reader_reserved_concurrency" {
  type    = number
  default = null
}

variable "consumer_reserved_concurrency" {
  type    = number
  default = null
}

variable "notifier_reserved_concurrency" {
  type    = number
  default = null
}

variable "account_concurrency_limit" {
  type    = number
  default = null
}

variable "api_provisioned_concurrency" {
  type    = number
  default = null
}

variable "api_pinned_version" {
  type    = string
  default = null
}

variable "api_canary_weight" {
  type    = number
  default = null
}

variable "reader_pinned_version" {
  type    = string
  default = null
}

variable "consumer_pinned_version" {
  type    = string
  default = null
}

variable "notifier_pinned_version" {
  type    = string
  default = null
}

variable "stream_mode" {
  type    = string
  default = null
}

variable "enhanced_fan_out" {
  type    = bool
  default = null
}

variable "consumer_enabled" {
  type    = bool
  default = null
}

variable "facts" {
  type    = bool
  default = null
}

variable "facts_stream_mode" {
  type    = string
  default = null
}

variable "notifier_enabled" {
  type    = bool
  default = null
}

variable "discard_destination" {
  type    = string
  default = null
}

variable "queue_retention_seconds" {
  type    = number
  default = null
}

variable "archive_retention_days" {
  type    = number
  default = null
}

variable "table_name" {
  type    = string
  default = null
}

variable "table_change_stream" {
  type    = bool
  default = null
}

variable "deletion_protection" {
  type    = bool
  default = null
}

variable "point_in_time_recovery_days" {
  type    = number
  default = null
}

variable "front_door" {
  type    = string
  default = null
}

variable "accepting" {
  type    = bool
  default = null
}

variable "caller" {
  type    = string
  default = null
}

variable "base_path" {
  type    = string
  default = null
}

variable "jwt_issuer" {
  type    = string
  default = null
}

variable "jwt_audience" {
  type    = list(string)
  default = null
}

variable "jwt_scopes" {
  type    = list(string)
  default = null
}

variable "domain" {
  type = object({
    name            = string
    certificate_arn = string
    zone            = optional(object({ id = string }))
  })
  default = null
}

variable "route_throttles" {
  type = map(object({
    requests_per_second = number
    burst               = number
  }))
  default = null
}

variable "integration_timeout_milliseconds" {
  type    = number
  default = null
}

variable "max_wait_seconds" {
  type    = number
  default = null
}

variable "requests_per_second" {
  type    = number
  default = null
}

variable "request_burst" {
  type    = number
  default = null
}

variable "cors_allow_origins" {
  type    = list(string)
  default = null
}

variable "alarm_emails" {
  type    = list(string)
  default = null
}

variable "ticket_emails" {
  type    = list(string)
  default = null
}

variable "alarm_topics" {
  type = object({
    page   = optional(object({ arn = string }))
    ticket = optional(object({ arn = string }))
  })
  default = null
}

variable "alarms_are_heard" {
  type    = bool
  default = null
}

variable "no_traffic_alarm_minutes" {
  type    = number
  default = null
}

variable "runbook_url" {
  type    = string
  default = null
}

variable "iterator_age_alarm_seconds" {
  type    = number
  default = null
}

variable "latency_alarm_milliseconds" {
  type    = number
  default = null
}

variable "conflict_alarm_count" {
  type    = number
  default = null
}

variable "shard_count" {
  type    = number
  default = null
}

variable "retention_hours" {
  type    = number
  default = null
}

variable "batch_size" {
  type    = number
  default = null
}

variable "batching_window_seconds" {
  type    = number
  default = null
}

variable "parallelization_factor" {
  type    = number
  default = null
}

variable "starting_position" {
  type    = string
  default = null
}

variable "maximum_retry_attempts" {
  type    = number
  default = null
}

variable "maximum_record_age_seconds" {
  type    = number
  default = null
}

variable "bisect_batch_on_function_error" {
  type    = bool
  default = null
}

variable "report_batch_item_failures" {
  type    = bool
  default = null
}

variable "api_timeout_seconds" {
  type    = number
  default = null
}

variable "consumer_timeout_seconds" {
  type    = number
  default = null
}

variable "api_memory_mb" {
  type    = number
  default = null
}

variable "consumer_memory_mb" {
  type    = number
  default = null
}

variable "consumer_max_in_flight" {
  type    = number
  default = null
}

variable "facts_shard_count" {
  type    = number
  default = null
}

variable "facts_retention_hours" {
  type    = number
  default = null
}

variable "notifier_batch_size" {
  type    = number
  default = null
}

variable "notifier_batching_window_seconds" {
  type    = number
  default = null
}

variable "notifier_parallelization_factor" {
  type    = number
  default = null
}

variable "notifier_starting_position" {
  type    = string
  default = null
}

variable "notifier_maximum_retry_attempts" {
  type    = number
  default = null
}

variable "notifier_maximum_record_age_seconds" {
  type    = number
  default = null
}

variable "notifier_bisect_batch_on_function_error" {
  type    = bool
  default = null
}

variable "notifier_report_batch_item_failures" {
  type    = bool
  default = null
}

variable "notifier_timeout_seconds" {
  type    = number
  default = null
}

variable "notifier_memory_mb" {
  type    = number
  default = null
}

variable "subscriber_batch_size" {
  type    = number
  default = null
}

variable "subscriber_batching_window_seconds" {
  type    = number
  default = null
}

variable "subscriber_parallelization_factor" {
  type    = number
  default = null
}

variable "subscriber_starting_position" {
  type    = string
  default = null
}

variable "subscriber_maximum_retry_attempts" {
  type    = number
  default = null
}

variable "subscriber_maximum_record_age_seconds" {
  type    = number
  default = null
}

variable "subscriber_bisect_batch_on_function_error" {
  type    = bool
  default = null
}

variable "subscriber_report_batch_item_failures" {
  type    = bool
  default = null
}

variable "subscriber_timeout_seconds" {
  type    = number
  default = null
}

variable "subscriber_memory_mb" {
  type    = number
  default = null
}
