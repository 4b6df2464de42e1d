# The variables that pipeline.auto.tfvars.json sets. The local stack reads the same file.
#
# The ranges are AWS's. A range is narrower where a value that AWS takes would break a promise of
# the service. The sources are these pages.
#
# - Lambda API reference, CreateEventSourceMapping and CreateFunction
# - Kinesis API reference, IncreaseStreamRetentionPeriod
#
# The reference of CreateEventSourceMapping asks for a window from 11 records on. Lambda takes
# batches of 100 of a stream without one, as the provider's acceptance tests show.

variable "shard_count" {
  description = "The number of shards of a provisioned stream. One shard takes 1 MB/s or 1,000 records/s. An on-demand stream ignores this number."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.shard_count >= 1 && var.shard_count <= 500 && floor(var.shard_count) == var.shard_count
    error_message = "shard_count must be a whole number from 1 to 500. More shards need a raised quota."
  }
}

variable "retention_hours" {
  description = "The hours that the stream keeps a record. For this time an order can still be applied, or put back after a discard."
  type        = number
  default     = 24
  nullable    = false

  validation {
    condition     = var.retention_hours >= 24 && var.retention_hours <= 8760 && floor(var.retention_hours) == var.retention_hours
    error_message = "retention_hours must be a whole number from 24 to 8760."
  }
}

variable "batch_size" {
  description = "The most records in one invocation of the consumer."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10000 && floor(var.batch_size) == var.batch_size
    error_message = "batch_size must be a whole number from 1 to 10000."
  }
}

variable "batching_window_seconds" {
  description = "The seconds that a batch is collected before it is sent although it is not full."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.batching_window_seconds >= 0 && var.batching_window_seconds <= 300 && floor(var.batching_window_seconds) == var.batching_window_seconds
    error_message = "batching_window_seconds must be a whole number from 0 to 300."
  }
}

variable "parallelization_factor" {
  description = "The number of batches of one shard that are in flight at once. The records of one order stay in sequence."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = contains(range(1, 11), var.parallelization_factor)
    error_message = "parallelization_factor must be a whole number from 1 to 10."
  }
}

variable "starting_position" {
  description = "The place where the mapping begins to read a shard. Changing the place replaces the mapping."
  type        = string
  default     = "TRIM_HORIZON"
  nullable    = false

  validation {
    condition     = var.starting_position == "TRIM_HORIZON"
    error_message = "starting_position must be TRIM_HORIZON. With LATEST, intents that were accepted before the mapping reads are never applied."
  }
}

variable "maximum_retry_attempts" {
  description = "The number of retries of a failed batch before the batch is discarded. It decides how long an outage is ridden out (output outage_budget_seconds)."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = var.maximum_retry_attempts >= 0 && var.maximum_retry_attempts <= 10000 && floor(var.maximum_retry_attempts) == var.maximum_retry_attempts
    error_message = "maximum_retry_attempts must be a whole number from 0 to 10000. With -1 (until the record expires) one poison record would hold up its shard for the whole retention."
  }
}

variable "maximum_record_age_seconds" {
  description = "The age in seconds from which a record is discarded. -1 leaves the age to the stream's retention."
  type        = number
  default     = -1
  nullable    = false

  validation {
    condition     = var.maximum_record_age_seconds == -1 || (var.maximum_record_age_seconds >= 60 && var.maximum_record_age_seconds <= 604800 && floor(var.maximum_record_age_seconds) == var.maximum_record_age_seconds)
    error_message = "maximum_record_age_seconds must be -1 or a whole number from 60 to 604800."
  }

  validation {
    condition     = var.maximum_record_age_seconds == -1 || var.maximum_record_age_seconds < var.retention_hours * 3600
    error_message = "maximum_record_age_seconds must be less than the stream's retention. Otherwise a discarded record is gone before it can be put back."
  }
}

variable "bisect_batch_on_function_error" {
  description = "True if a failed batch is split in two before it is retried."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.bisect_batch_on_function_error
    error_message = "bisect_batch_on_function_error must be true. Otherwise a batch that kills the function is discarded whole."
  }
}

variable "report_batch_item_failures" {
  description = "True if the consumer's response names the records that failed."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.report_batch_item_failures
    error_message = "report_batch_item_failures must be true. Otherwise Lambda takes the consumer's response for success, and the failed records are lost."
  }
}

variable "api_timeout_seconds" {
  description = "The seconds after which an invocation of the api is ended."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.api_timeout_seconds > local.put_seconds + local.api_margin_seconds && floor(var.api_timeout_seconds) == var.api_timeout_seconds
    error_message = "api_timeout_seconds must be a whole number of at least 7. Three attempts of a put take up to 6 s, and 0.5 s are kept for the response."
  }

  validation {
    condition     = var.api_timeout_seconds * 1000 < var.integration_timeout_milliseconds
    error_message = "api_timeout_seconds must be less than integration_timeout_milliseconds. Otherwise the gateway gives up on a function that would still answer."
  }
}

variable "consumer_timeout_seconds" {
  description = "The seconds after which an invocation of the consumer is ended."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.consumer_timeout_seconds >= 5 && var.consumer_timeout_seconds <= 900 && floor(var.consumer_timeout_seconds) == var.consumer_timeout_seconds
    error_message = "consumer_timeout_seconds must be a whole number from 5 to 900. One write takes up to 2 s, and 0.5 s are kept for the response."
  }
}

variable "api_memory_mb" {
  description = "The memory of the api in MB. The api's share of a processor follows from it."
  type        = number
  default     = 256
  nullable    = false

  validation {
    condition     = var.api_memory_mb >= 128 && var.api_memory_mb <= 10240 && floor(var.api_memory_mb) == var.api_memory_mb
    error_message = "api_memory_mb must be a whole number from 128 to 10240."
  }
}

variable "consumer_memory_mb" {
  description = "The memory of the consumer in MB. The consumer's share of a processor follows from it."
  type        = number
  default     = 256
  nullable    = false

  validation {
    condition     = var.consumer_memory_mb >= 128 && var.consumer_memory_mb <= 10240 && floor(var.consumer_memory_mb) == var.consumer_memory_mb
    error_message = "consumer_memory_mb must be a whole number from 128 to 10240."
  }
}

variable "consumer_max_in_flight" {
  description = "The number of orders that one invocation of the consumer writes at once."
  type        = number
  default     = 32
  nullable    = false

  validation {
    condition     = var.consumer_max_in_flight >= 1 && var.consumer_max_in_flight <= 1000 && floor(var.consumer_max_in_flight) == var.consumer_max_in_flight
    error_message = "consumer_max_in_flight must be a whole number from 1 to 1000."
  }
}

# Values that the functions' code has too. A test of the workspace compares them
# (tests/tests/infra).
locals {
  # Three attempts of 1.5 s and the back-offs between them (crates/api/src/stream.rs).
  put_seconds = 6
  # The time that the api keeps for its response (crates/api/src/request.rs).
  api_margin_seconds = 0.5
  # The time that the consumer keeps for its response (crates/keyed-batch/src/limits.rs).
  consumer_margin_seconds = 0.5

  # The outage of the table, in seconds, that is ridden out without a discard. This is the least,
  # because each try works until the margin. Lambda's own back-offs between the tries come on top.
  # AWS does not publish them.
  outage_budget_seconds = (var.maximum_retry_attempts + 1) * (var.consumer_timeout_seconds - local.consumer_margin_seconds)

  # The time after its acceptance in which an intent can still be applied.
  record_lifetime_seconds = var.maximum_record_age_seconds == -1 ? var.retention_hours * 3600 : var.maximum_record_age_seconds
}
