# The variables of the facts that pipeline.auto.tfvars.json sets. The local stack reads the same
# file. The stream of facts has the prefix `facts_`. The notifier's mapping and function have
# `notifier_`, and those of a subscriber have `subscriber_`. A subscriber is deployed by itself, and
# takes its settings from the output `subscriber` (examples/subscriber).
#
# The ranges are AWS's. A range is narrower where a value that AWS takes would break a promise of
# the service. The sources are these pages.
#
# - Lambda API reference, CreateEventSourceMapping and CreateFunction
# - Kinesis API reference, IncreaseStreamRetentionPeriod
# - DynamoDB developer guide, "Change data capture for DynamoDB Streams"

variable "facts_shard_count" {
  description = "The number of shards of a provisioned stream of facts. One shard takes 1 MB/s or 1,000 records/s. An on-demand stream ignores this number."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.facts_shard_count >= 1 && var.facts_shard_count <= 500 && floor(var.facts_shard_count) == var.facts_shard_count
    error_message = "facts_shard_count must be a whole number from 1 to 500. More shards need a raised quota."
  }
}

variable "facts_retention_hours" {
  description = "The hours that the stream of facts keeps a fact. For this time a subscriber may be behind, or begin anew."
  type        = number
  default     = 24
  nullable    = false

  validation {
    condition     = var.facts_retention_hours >= 24 && var.facts_retention_hours <= 8760 && floor(var.facts_retention_hours) == var.facts_retention_hours
    error_message = "facts_retention_hours must be a whole number from 24 to 8760."
  }
}

variable "notifier_batch_size" {
  description = "The most changes in one invocation of the notifier."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.notifier_batch_size >= 1 && var.notifier_batch_size <= 10000 && floor(var.notifier_batch_size) == var.notifier_batch_size
    error_message = "notifier_batch_size must be a whole number from 1 to 10000."
  }
}

variable "notifier_batching_window_seconds" {
  description = "The seconds that a batch is collected before it is sent although it is not full."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.notifier_batching_window_seconds >= 0 && var.notifier_batching_window_seconds <= 300 && floor(var.notifier_batching_window_seconds) == var.notifier_batching_window_seconds
    error_message = "notifier_batching_window_seconds must be a whole number from 0 to 300."
  }
}

variable "notifier_parallelization_factor" {
  description = "The number of batches of one shard that are in flight at once. The changes of one order stay in sequence."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = contains(range(1, 11), var.notifier_parallelization_factor)
    error_message = "notifier_parallelization_factor must be a whole number from 1 to 10."
  }
}

variable "notifier_starting_position" {
  description = "The place where the mapping begins to read a shard. Changing the place replaces the mapping."
  type        = string
  default     = "TRIM_HORIZON"
  nullable    = false

  validation {
    condition     = var.notifier_starting_position == "TRIM_HORIZON"
    error_message = "notifier_starting_position must be TRIM_HORIZON. With LATEST, changes that were made before the mapping reads are never announced."
  }
}

variable "notifier_maximum_retry_attempts" {
  description = "The number of retries of a failed batch before the batch is discarded."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.notifier_maximum_retry_attempts >= 0 && var.notifier_maximum_retry_attempts <= 10000 && floor(var.notifier_maximum_retry_attempts) == var.notifier_maximum_retry_attempts
    error_message = "notifier_maximum_retry_attempts must be a whole number from 0 to 10000. With -1 (until the record expires) one poison record would hold its lane until the record expires."
  }
}

variable "notifier_maximum_record_age_seconds" {
  description = "The age in seconds from which a change is discarded and reported. The table's change stream keeps a change for 24 hours, and then nobody is told of it."
  type        = number
  default     = 79200
  nullable    = false

  validation {
    condition     = var.notifier_maximum_record_age_seconds >= 60 && var.notifier_maximum_record_age_seconds <= 82800 && floor(var.notifier_maximum_record_age_seconds) == var.notifier_maximum_record_age_seconds
    error_message = "notifier_maximum_record_age_seconds must be a whole number from 60 to 82800. The change stream forgets a change after 24 hours without a report, so the report must come an hour before."
  }
}

variable "notifier_bisect_batch_on_function_error" {
  description = "True if a failed batch is split in two before it is retried."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.notifier_bisect_batch_on_function_error
    error_message = "notifier_bisect_batch_on_function_error must be true. Otherwise a batch that kills the function is discarded whole."
  }
}

variable "notifier_report_batch_item_failures" {
  description = "True if the notifier's response names the records that failed."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.notifier_report_batch_item_failures
    error_message = "notifier_report_batch_item_failures must be true. Otherwise Lambda takes the notifier's response for success, and the failed records are lost."
  }
}

variable "notifier_timeout_seconds" {
  description = "The seconds after which an invocation of the notifier is ended."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.notifier_timeout_seconds > local.publish_seconds + local.consumer_margin_seconds && var.notifier_timeout_seconds <= 900 && floor(var.notifier_timeout_seconds) == var.notifier_timeout_seconds
    error_message = "notifier_timeout_seconds must be a whole number from 6 to 900. One put takes up to 3 s and one mark up to 2 s, and 0.5 s are kept for the response."
  }
}

variable "notifier_memory_mb" {
  description = "The memory of the notifier in MB. The notifier's share of a processor follows from it."
  type        = number
  default     = 256
  nullable    = false

  validation {
    condition     = var.notifier_memory_mb >= 128 && var.notifier_memory_mb <= 10240 && floor(var.notifier_memory_mb) == var.notifier_memory_mb
    error_message = "notifier_memory_mb must be a whole number from 128 to 10240."
  }
}

variable "subscriber_batch_size" {
  description = "The most facts in one invocation of a subscriber."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.subscriber_batch_size >= 1 && var.subscriber_batch_size <= 10000 && floor(var.subscriber_batch_size) == var.subscriber_batch_size
    error_message = "subscriber_batch_size must be a whole number from 1 to 10000."
  }
}

variable "subscriber_batching_window_seconds" {
  description = "The seconds that a batch is collected before it is sent although it is not full."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.subscriber_batching_window_seconds >= 0 && var.subscriber_batching_window_seconds <= 300 && floor(var.subscriber_batching_window_seconds) == var.subscriber_batching_window_seconds
    error_message = "subscriber_batching_window_seconds must be a whole number from 0 to 300."
  }
}

variable "subscriber_parallelization_factor" {
  description = "The number of batches of one shard that are in flight at once. The facts of one order stay in sequence."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = contains(range(1, 11), var.subscriber_parallelization_factor)
    error_message = "subscriber_parallelization_factor must be a whole number from 1 to 10."
  }
}

variable "subscriber_starting_position" {
  description = "The place where the mapping begins to read a shard. Changing the place replaces the mapping."
  type        = string
  default     = "TRIM_HORIZON"
  nullable    = false

  validation {
    condition     = var.subscriber_starting_position == "TRIM_HORIZON"
    error_message = "subscriber_starting_position must be TRIM_HORIZON. With LATEST, facts that were published before the mapping reads never reach the subscriber."
  }
}

variable "subscriber_maximum_retry_attempts" {
  description = "The number of retries of a failed batch before the batch is discarded."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.subscriber_maximum_retry_attempts >= 0 && var.subscriber_maximum_retry_attempts <= 10000 && floor(var.subscriber_maximum_retry_attempts) == var.subscriber_maximum_retry_attempts
    error_message = "subscriber_maximum_retry_attempts must be a whole number from 0 to 10000. With -1 (until the record expires) one poison record would hold its lane until the record expires."
  }
}

variable "subscriber_maximum_record_age_seconds" {
  description = "The age in seconds from which a fact is discarded. -1 leaves the age to the stream's retention."
  type        = number
  default     = -1
  nullable    = false

  validation {
    condition     = var.subscriber_maximum_record_age_seconds == -1 || (var.subscriber_maximum_record_age_seconds >= 60 && var.subscriber_maximum_record_age_seconds <= 604800 && floor(var.subscriber_maximum_record_age_seconds) == var.subscriber_maximum_record_age_seconds)
    error_message = "subscriber_maximum_record_age_seconds must be -1 or a whole number from 60 to 604800."
  }

  validation {
    condition     = var.subscriber_maximum_record_age_seconds == -1 || var.subscriber_maximum_record_age_seconds < var.facts_retention_hours * 3600
    error_message = "subscriber_maximum_record_age_seconds must be less than the retention of the stream of facts. Otherwise a discarded fact is gone before anybody can read it."
  }
}

variable "subscriber_bisect_batch_on_function_error" {
  description = "True if a failed batch is split in two before it is retried."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.subscriber_bisect_batch_on_function_error
    error_message = "subscriber_bisect_batch_on_function_error must be true. Otherwise a batch that kills the function is discarded whole."
  }
}

variable "subscriber_report_batch_item_failures" {
  description = "True if a subscriber's response names the records that failed."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.subscriber_report_batch_item_failures
    error_message = "subscriber_report_batch_item_failures must be true. Otherwise Lambda takes a subscriber's response for success, and the failed records are lost."
  }
}

variable "subscriber_timeout_seconds" {
  description = "The seconds after which an invocation of a subscriber is ended."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.subscriber_timeout_seconds >= 5 && var.subscriber_timeout_seconds <= 900 && floor(var.subscriber_timeout_seconds) == var.subscriber_timeout_seconds
    error_message = "subscriber_timeout_seconds must be a whole number from 5 to 900. One write takes up to 2 s, and 0.5 s are kept for the response."
  }
}

variable "subscriber_memory_mb" {
  description = "The memory of a subscriber in MB. A subscriber's share of a processor follows from it."
  type        = number
  default     = 256
  nullable    = false

  validation {
    condition     = var.subscriber_memory_mb >= 128 && var.subscriber_memory_mb <= 10240 && floor(var.subscriber_memory_mb) == var.subscriber_memory_mb
    error_message = "subscriber_memory_mb must be a whole number from 128 to 10240."
  }
}

# Values that the notifier's code has too. A test of the workspace compares them
# (tests/tests/infra).
locals {
  # One put of 3 s and one mark of 2 s (crates/notifier/src/facts_stream.rs and
  # crates/orders-table/src/client.rs).
  publish_seconds = 5

  # The outage of the stream of facts or of the table of announcements, in seconds, that is ridden
  # out without a discard. This is the least, as for outage_budget_seconds. The notifier keeps the
  # same time for its response as the consumer, because both take the margin of keyed-batch.
  facts_outage_budget_seconds = (var.notifier_maximum_retry_attempts + 1) * (var.notifier_timeout_seconds - local.consumer_margin_seconds)
}
