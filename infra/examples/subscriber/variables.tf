# The inputs of the subscriber. The first four are the output `subscriber` of a deployment, whose
# variables validate the settings.

variable "facts_stream_arn" {
  description = "The stream of facts, which is the output facts_stream_arn of a deployment."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:kinesis:[a-z0-9-]+:[0-9]{12}:stream/.+$", var.facts_stream_arn))
    error_message = "facts_stream_arn must be the ARN of a Kinesis stream. A deployment without facts has none."
  }
}

variable "facts_key_arn" {
  description = "The KMS key of the stream of facts, which is the output key_arn of a deployment."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.facts_key_arn))
    error_message = "facts_key_arn must be the ARN of a KMS key."
  }
}

variable "facts_retention_hours" {
  description = "The hours that the stream keeps a fact. The on-failure queue keeps a report longer."
  type        = number
  nullable    = false

  validation {
    condition     = var.facts_retention_hours >= 24
    error_message = "facts_retention_hours must be at least 24, which is the least that Kinesis keeps a record."
  }

  validation {
    condition     = var.facts_retention_hours * 3600 < var.queue_retention_seconds
    error_message = "The queue must keep a report longer than the stream keeps the fact that the report names. Raise queue_retention_seconds (SQS takes at most 14 days)."
  }
}

variable "settings" {
  description = "The settings of the mapping and of the function, which are the pipeline's settings with the prefix subscriber_."
  type = object({
    batch_size                     = number
    batching_window_seconds        = number
    parallelization_factor         = number
    starting_position              = string
    maximum_retry_attempts         = number
    maximum_record_age_seconds     = number
    bisect_batch_on_function_error = bool
    report_batch_item_failures     = bool
    timeout_seconds                = number
    memory_mb                      = number
  })
  nullable = false

  validation {
    condition     = var.settings.starting_position == "TRIM_HORIZON" && var.settings.bisect_batch_on_function_error && var.settings.report_batch_item_failures && var.settings.maximum_retry_attempts >= 0
    error_message = "settings must have TRIM_HORIZON, bisecting, partial failures and bounded retries. Otherwise facts are lost, or one poison record holds its lane until the record expires."
  }
}

variable "package" {
  description = "The deployment package of shipping, as `make package` makes it."
  type        = string
  default     = "../../../dist/shipping.zip"
  nullable    = false

  validation {
    condition     = endswith(var.package, ".zip")
    error_message = "package must be a .zip file."
  }
}

variable "name" {
  description = "The prefix of every resource's name."
  type        = string
  default     = "shipping"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 20 lower-case letters, digits and hyphens."
  }
}

variable "architecture" {
  description = "The processor of the function. The package must be built for it."
  type        = string
  default     = "x86_64"
  nullable    = false

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture must be x86_64 or arm64."
  }
}

variable "log_level" {
  description = "The level from which the function logs."
  type        = string
  default     = "info"
  nullable    = false

  validation {
    condition     = contains(["info", "debug", "trace"], var.log_level)
    error_message = "log_level must be info, debug or trace."
  }
}

variable "log_retention_days" {
  description = "The days that the log is kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a number that CloudWatch Logs takes."
  }
}

variable "reserved_concurrency" {
  description = "The concurrency that is reserved for the function, which is also its limit. With null the function shares the account's concurrency."
  type        = number
  default     = null

  validation {
    condition     = var.reserved_concurrency == null ? true : var.reserved_concurrency >= 1 && floor(var.reserved_concurrency) == var.reserved_concurrency
    error_message = "reserved_concurrency must be a whole number of at least 1, or null. The mapping uses one for each shard and each batch that is in flight at once."
  }
}

variable "queue_retention_seconds" {
  description = "The seconds that the on-failure queue keeps a message."
  type        = number
  default     = 1209600
  nullable    = false

  validation {
    condition     = var.queue_retention_seconds >= 60 && var.queue_retention_seconds <= 1209600 && floor(var.queue_retention_seconds) == var.queue_retention_seconds
    error_message = "queue_retention_seconds must be a whole number from 60 to 1209600 (14 days)."
  }
}

variable "deletion_protection" {
  description = "True if the table of shipments refuses to be deleted. Set it to false, and apply, before a teardown."
  type        = bool
  default     = true
  nullable    = false
}

variable "other_facts_key_arns" {
  description = "Further KMS keys under which facts may be, around a switch of the deployment's key."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.other_facts_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", arn))])
    error_message = "other_facts_key_arns must be ARNs of KMS keys."
  }
}
