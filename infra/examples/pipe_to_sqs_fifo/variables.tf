# The inputs of the pipe. The first two are outputs of a deployment.

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

variable "name" {
  description = "The prefix of every resource's name."
  type        = string
  default     = "order-facts"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 40 lower-case letters, digits and hyphens."
  }
}

variable "maximum_retry_attempts" {
  description = "The number of retries of a batch before the batch is discarded."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.maximum_retry_attempts >= 0 && var.maximum_retry_attempts <= 10000 && floor(var.maximum_retry_attempts) == var.maximum_retry_attempts
    error_message = "maximum_retry_attempts must be a whole number from 0 to 10000. With -1 (until the record expires) one poison record would hold its lane until the record expires."
  }
}

variable "retention_seconds" {
  description = "The seconds that both queues keep a message. A report must outlast the fact that it names."
  type        = number
  default     = 1209600
  nullable    = false

  validation {
    condition     = var.retention_seconds > 86400 && var.retention_seconds <= 1209600 && floor(var.retention_seconds) == var.retention_seconds
    error_message = "retention_seconds must be a whole number from 86401 to 1209600 (14 days)."
  }
}

variable "visibility_timeout_seconds" {
  description = "The seconds that a reader of the queue has for a message."
  type        = number
  default     = 180
  nullable    = false

  validation {
    condition     = var.visibility_timeout_seconds >= 0 && var.visibility_timeout_seconds <= 43200 && floor(var.visibility_timeout_seconds) == var.visibility_timeout_seconds
    error_message = "visibility_timeout_seconds must be a whole number from 0 to 43200."
  }
}
