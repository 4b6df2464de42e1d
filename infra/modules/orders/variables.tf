# The choices of a deployment besides the pipeline's settings (pipeline.tf). The defaults are the
# minimal setting. The root infra/ passes each of them on.

variable "name" {
  description = "The prefix of every resource's name. The table has this name itself, unless table_name says otherwise."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,18}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 20 lower-case letters, digits and hyphens. The name of a bucket is made of it, the account and the region."
  }
}

variable "permissions_boundary_arn" {
  description = "The permissions boundary of all roles, where the account requires one."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of an IAM policy."
  }
}

variable "kms_key" {
  description = "A KMS key of yours, which encrypts everything instead of a key that is made here. It is an object, so that its ARN may be one that is not known before the apply. The key's policy needs the statements of the output key_policy. With keep_own the key that was made here stays for older data. docs/deploy.md (section Your own key) says how to switch."
  type = object({
    arn      = string
    keep_own = optional(bool, false)
  })
  default = null

  validation {
    condition     = var.kms_key == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key.arn))
    error_message = "kms_key.arn must be the ARN of a KMS key, and not of an alias, because rights to a key name the key itself."
  }

  validation {
    condition     = var.kms_key == null || try(split(":", var.kms_key.arn)[3] == local.region, true)
    error_message = "kms_key.arn must be a key of the deployment's region. Of a multi-Region key it is the replica there."
  }
}

variable "other_kms_key_arns" {
  description = "Further KMS keys that the roles may use around a switch of the key, which are the next key before it and the former key after it. Nothing new is encrypted under them."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.other_kms_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", arn))])
    error_message = "other_kms_key_arns must be ARNs of KMS keys, and not of aliases."
  }
}

# Functions

variable "api_package" {
  description = "The deployment package of the api and the reader, as `make package` makes it."
  type        = string
  nullable    = false

  validation {
    condition     = endswith(var.api_package, ".zip")
    error_message = "api_package must be a .zip file."
  }
}

variable "consumer_package" {
  description = "The consumer's deployment package, as `make package` makes it."
  type        = string
  nullable    = false

  validation {
    condition     = endswith(var.consumer_package, ".zip")
    error_message = "consumer_package must be a .zip file."
  }
}

variable "notifier_package" {
  description = "The notifier's deployment package, as `make package` makes it. Without facts no package is needed."
  type        = string
  nullable    = false

  validation {
    condition     = endswith(var.notifier_package, ".zip")
    error_message = "notifier_package must be a .zip file."
  }
}

variable "packages_s3" {
  description = "The packages in a bucket of yours, instead of files. A version is needed where the bucket has versions and the key stays the same. Without facts no notifier is needed."
  type = object({
    bucket   = string
    api      = object({ key = string, version = optional(string) })
    consumer = object({ key = string, version = optional(string) })
    notifier = optional(object({ key = string, version = optional(string) }))
  })
  default = null

  validation {
    condition     = var.packages_s3 == null || !var.facts || try(var.packages_s3.notifier, null) != null
    error_message = "packages_s3 needs the notifier's package, unless facts is false."
  }
}

variable "vpc" {
  description = "The subnets and security groups of all functions, where the organization asks for a VPC. The functions call Kinesis, DynamoDB and KMS, so the subnets need endpoints or a NAT."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
  default = null

  validation {
    condition     = var.vpc == null || try(length(var.vpc.subnet_ids) > 0 && length(var.vpc.security_group_ids) > 0, false)
    error_message = "vpc needs at least one subnet and one security group."
  }
}

variable "architecture" {
  description = "The processor of all functions. The packages must be built for it."
  type        = string
  default     = "x86_64"
  nullable    = false

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture must be x86_64 or arm64."
  }
}

variable "log_level" {
  description = "The level from which all functions log."
  type        = string
  default     = "info"
  nullable    = false

  validation {
    condition     = contains(["info", "debug", "trace"], var.log_level)
    error_message = "log_level must be info, debug or trace, because alarms are made from lines of level info."
  }
}

variable "log_retention_days" {
  description = "The days that logs are kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a number that CloudWatch Logs takes, which is 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "operator_principal_arns" {
  description = "The principals that may take the operator's role, which has exactly the rights that the runbook needs. Without any there is no role, and the policy (output operator_policy_arn) may be attached to one of yours."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.operator_principal_arns : can(regex("^arn:[a-z-]+:(iam|sts)::[0-9]{12}:.+$", arn))])
    error_message = "operator_principal_arns must be ARNs of IAM principals."
  }
}

variable "tracing" {
  description = "True if Lambda traces the functions with X-Ray. It traces one request a second and 5 % of the rest, and each trace has a price."
  type        = bool
  default     = false
  nullable    = false
}

variable "api_reserved_concurrency" {
  description = "The concurrency that is reserved for the api, which is also the api's limit. With null the api shares the account's concurrency."
  type        = number
  default     = null

  validation {
    condition     = var.api_reserved_concurrency == null ? true : var.api_reserved_concurrency >= 1 && floor(var.api_reserved_concurrency) == var.api_reserved_concurrency
    error_message = "api_reserved_concurrency must be a whole number of at least 1, or null."
  }
}

variable "reader_reserved_concurrency" {
  description = "The concurrency that is reserved for the reader, which is also the reader's limit. A read that waits occupies one execution for seconds. Readers beyond the limit get 503. With null the reader shares the account's concurrency. Behind a function URL there is no reader."
  type        = number
  default     = null

  validation {
    condition     = var.reader_reserved_concurrency == null ? true : var.reader_reserved_concurrency >= 1 && floor(var.reader_reserved_concurrency) == var.reader_reserved_concurrency
    error_message = "reader_reserved_concurrency must be a whole number of at least 1, or null."
  }
}

variable "consumer_reserved_concurrency" {
  description = "The concurrency that is reserved for the consumer, which is also the consumer's limit. With null the consumer shares the account's concurrency."
  type        = number
  default     = null

  validation {
    condition     = var.consumer_reserved_concurrency == null ? true : floor(var.consumer_reserved_concurrency) == var.consumer_reserved_concurrency && var.consumer_reserved_concurrency >= (var.stream_mode == "PROVISIONED" ? var.shard_count * var.parallelization_factor : 1)
    error_message = "consumer_reserved_concurrency must be null or at least shard_count × parallelization_factor. Otherwise the mapping is throttled and falls behind."
  }
}

variable "notifier_reserved_concurrency" {
  description = "The concurrency that is reserved for the notifier, which is also the notifier's limit. With null the notifier shares the account's concurrency. The change stream has a shard for each partition of the table, and each shard may use notifier_parallelization_factor executions."
  type        = number
  default     = null

  validation {
    condition     = var.notifier_reserved_concurrency == null ? true : var.notifier_reserved_concurrency >= var.notifier_parallelization_factor && floor(var.notifier_reserved_concurrency) == var.notifier_reserved_concurrency
    error_message = "notifier_reserved_concurrency must be null or a whole number of at least notifier_parallelization_factor, which is what one shard of the change stream uses."
  }
}

variable "account_concurrency_limit" {
  description = "The account's quota of concurrent executions in this region. An alarm fires before the quota is reached."
  type        = number
  default     = 1000
  nullable    = false

  validation {
    condition     = var.account_concurrency_limit >= 10 && floor(var.account_concurrency_limit) == var.account_concurrency_limit
    error_message = "account_concurrency_limit must be a whole number of at least 10."
  }

  validation {
    condition     = local.reserved_concurrency == 0 || local.reserved_concurrency + 100 <= var.account_concurrency_limit
    error_message = "Reservations must leave 100 of account_concurrency_limit to functions without a reservation. AWS refuses larger reservations."
  }
}

locals {
  # The time of a submit that the capacity is reckoned with. It is an assumption, so measure yours.
  submit_seconds = 0.1

  reserved_concurrency = coalesce(var.api_reserved_concurrency, 0) + coalesce(var.consumer_reserved_concurrency, 0) + (var.facts ? coalesce(var.notifier_reserved_concurrency, 0) : 0) + (local.http_api ? coalesce(var.reader_reserved_concurrency, 0) : 0)
}

variable "api_provisioned_concurrency" {
  description = "The execution environments of the api that are there before the first request. With null there are none, and a request after a quiet time waits for a start."
  type        = number
  default     = null

  validation {
    condition     = var.api_provisioned_concurrency == null ? true : var.api_provisioned_concurrency >= 1 && floor(var.api_provisioned_concurrency) == var.api_provisioned_concurrency && var.api_provisioned_concurrency <= coalesce(var.api_reserved_concurrency, var.account_concurrency_limit)
    error_message = "api_provisioned_concurrency must be a whole number of at least 1 and at most api_reserved_concurrency, or null."
  }
}

variable "api_pinned_version" {
  description = "The version of the api that serves instead of the newest version, for a rollback or a canary."
  type        = string
  default     = null

  validation {
    condition     = var.api_pinned_version == null || can(regex("^[1-9][0-9]*$", var.api_pinned_version))
    error_message = "api_pinned_version must be the number of a published version."
  }
}

variable "api_canary_weight" {
  description = "The share of the requests that the newest version of the api gets while another version is pinned."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.api_canary_weight >= 0 && var.api_canary_weight < 1
    error_message = "api_canary_weight must be from 0 to less than 1."
  }

  validation {
    condition     = var.api_canary_weight == 0 || var.api_pinned_version != null
    error_message = "api_canary_weight needs api_pinned_version, which is the version that gets the rest."
  }
}

variable "reader_pinned_version" {
  description = "The version of the reader that serves instead of the newest version, for a rollback."
  type        = string
  default     = null

  validation {
    condition     = var.reader_pinned_version == null || can(regex("^[1-9][0-9]*$", var.reader_pinned_version))
    error_message = "reader_pinned_version must be the number of a published version."
  }
}

variable "consumer_pinned_version" {
  description = "The version of the consumer that works instead of the newest version, for a rollback."
  type        = string
  default     = null

  validation {
    condition     = var.consumer_pinned_version == null || can(regex("^[1-9][0-9]*$", var.consumer_pinned_version))
    error_message = "consumer_pinned_version must be the number of a published version."
  }
}

variable "notifier_pinned_version" {
  description = "The version of the notifier that works instead of the newest version, for a rollback."
  type        = string
  default     = null

  validation {
    condition     = var.notifier_pinned_version == null || can(regex("^[1-9][0-9]*$", var.notifier_pinned_version))
    error_message = "notifier_pinned_version must be the number of a published version."
  }
}

# Stream and mapping

variable "stream_mode" {
  description = "The mode of the stream's capacity, which is PROVISIONED (shard_count) or ON_DEMAND."
  type        = string
  default     = "PROVISIONED"
  nullable    = false

  validation {
    condition     = contains(["PROVISIONED", "ON_DEMAND"], var.stream_mode)
    error_message = "stream_mode must be PROVISIONED or ON_DEMAND."
  }
}

variable "enhanced_fan_out" {
  description = "True if the mapping reads through its own stream consumer. The mapping then has 2 MB/s of each shard for itself, and records arrive within about 70 ms, at an additional price. Switching replaces the mapping, which then begins with the oldest record of the stream."
  type        = bool
  default     = false
  nullable    = false
}

variable "consumer_enabled" {
  description = "The stop switch. False disables the mapping, which keeps its checkpoints. The api goes on accepting."
  type        = bool
  default     = true
  nullable    = false
}

# Facts

variable "facts" {
  description = "True if the facts of orders are published. This adds the table's change stream, the notifier, the stream of facts and the table of announcements, at an additional price. False removes all of them, with every fact in the stream."
  type        = bool
  default     = true
  nullable    = false
}

variable "facts_stream_mode" {
  description = "The mode of the capacity of the stream of facts, which is PROVISIONED (facts_shard_count) or ON_DEMAND."
  type        = string
  default     = "PROVISIONED"
  nullable    = false

  validation {
    condition     = contains(["PROVISIONED", "ON_DEMAND"], var.facts_stream_mode)
    error_message = "facts_stream_mode must be PROVISIONED or ON_DEMAND."
  }
}

variable "notifier_enabled" {
  description = "The stop switch of the notifier. False disables its mapping, which keeps its checkpoints. The change stream keeps changes for 24 hours only."
  type        = bool
  default     = true
  nullable    = false
}

# Discards

variable "discard_destination" {
  description = "The destination of discards. sqs keeps their place in the stream, and s3 keeps their place and the records themselves."
  type        = string
  default     = "sqs"
  nullable    = false

  validation {
    condition     = contains(["sqs", "s3"], var.discard_destination)
    error_message = "discard_destination must be sqs or s3."
  }

  validation {
    condition     = var.discard_destination == "s3" || var.retention_hours * 3600 < var.queue_retention_seconds
    error_message = "The queue must keep a message longer than the stream keeps the record that the message names. Raise queue_retention_seconds (SQS takes at most 14 days), or choose discard_destination = \"s3\"."
  }

  validation {
    condition     = var.discard_destination == "sqs" || var.retention_hours < var.archive_retention_days * 24
    error_message = "The archive must keep a discard longer than the stream keeps the record. Raise archive_retention_days."
  }
}

variable "queue_retention_seconds" {
  description = "The seconds that each on-failure queue keeps a message."
  type        = number
  default     = 1209600
  nullable    = false

  validation {
    condition     = var.queue_retention_seconds >= 60 && var.queue_retention_seconds <= 1209600 && floor(var.queue_retention_seconds) == var.queue_retention_seconds
    error_message = "queue_retention_seconds must be a whole number from 60 to 1209600 (14 days)."
  }
}

variable "archive_retention_days" {
  description = "The days that the archive of discards keeps an object, where discard_destination is s3. The archive holds order content."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.archive_retention_days >= 2 && var.archive_retention_days <= 3653 && floor(var.archive_retention_days) == var.archive_retention_days
    error_message = "archive_retention_days must be a whole number from 2 to 3653."
  }
}

# Table

variable "table_name" {
  description = "The table's name, where it is not `name`. A restore always makes a new table, which has another name."
  type        = string
  default     = null

  validation {
    condition     = var.table_name == null || can(regex("^[A-Za-z0-9_.-]{3,255}$", var.table_name))
    error_message = "table_name must have 3 to 255 letters, digits, underscores, dots and hyphens."
  }
}

variable "table_change_stream" {
  description = "True if the table has a change stream (new and old images) also without the notifier, for a function of your own. With facts the table has one anyway."
  type        = bool
  default     = false
  nullable    = false
}

variable "deletion_protection" {
  description = "True if the tables and the archive refuse to be deleted. Set it to false, and apply, before a teardown, and before facts are turned off."
  type        = bool
  default     = true
  nullable    = false
}

variable "point_in_time_recovery_days" {
  description = "The days back to which each table can be restored."
  type        = number
  default     = 35
  nullable    = false

  validation {
    condition     = contains(range(1, 36), var.point_in_time_recovery_days)
    error_message = "point_in_time_recovery_days must be a whole number from 1 to 35."
  }
}

# Front door

variable "front_door" {
  description = "The front door of the api, which is http_api (API Gateway) or function_url."
  type        = string
  default     = "http_api"
  nullable    = false

  validation {
    condition     = contains(["http_api", "function_url"], var.front_door)
    error_message = "front_door must be http_api or function_url."
  }
}

variable "accepting" {
  description = "The switch of the front door. False turns orders and cancels away with 503 and a Retry-After of a minute, and orders can still be read. Behind a function URL everything is answered 429, reads as well."
  type        = bool
  default     = true
  nullable    = false
}

variable "caller" {
  description = "The source of the caller's identity, which is none, jwt:CLAIM or iam. With none, only an order's id protects the order."
  type        = string
  default     = "none"
  nullable    = false

  validation {
    condition     = can(regex("^(none|iam|jwt:.+)$", var.caller))
    error_message = "caller must be none, iam or jwt:CLAIM. The api also reads lambda:FIELD, but the authorizer for it is not deployed here."
  }

  validation {
    condition     = !startswith(var.caller, "jwt:") || var.front_door == "http_api"
    error_message = "caller = \"jwt:CLAIM\" needs front_door = \"http_api\", because a function URL does not check tokens."
  }

  validation {
    condition     = !startswith(var.caller, "jwt:") || (var.jwt_issuer != null && length(var.jwt_audience) > 0)
    error_message = "caller = \"jwt:CLAIM\" needs jwt_issuer and jwt_audience."
  }
}

variable "base_path" {
  description = "The path at which your custom domain maps this API, such as /v1, or / if no domain maps it. The api puts the path into Location, and takes it off requests that still have it."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    # The characters of an API mapping key (API Gateway developer guide, "Map API stages to a custom
    # domain name for HTTP APIs").
    condition     = can(regex("^/([A-Za-z0-9$_.+!*'()-]*[A-Za-z0-9$_+!*'()-][A-Za-z0-9$_.+!*'()-]*(/[A-Za-z0-9$_.+!*'()-]*[A-Za-z0-9$_+!*'()-][A-Za-z0-9$_.+!*'()-]*)*)?$", var.base_path))
    error_message = "base_path must be a path such as /v1, of letters, digits and $-_.+!*'(), or / for none."
  }
}

variable "jwt_issuer" {
  description = "The issuer of the tokens that the HTTP API accepts."
  type        = string
  default     = null

  validation {
    condition     = var.jwt_issuer == null || can(regex("^https://", var.jwt_issuer))
    error_message = "jwt_issuer must be an https URL."
  }
}

variable "jwt_audience" {
  description = "The audiences of the tokens that the HTTP API accepts."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.jwt_audience) <= 50 && alltrue([for audience in var.jwt_audience : audience != ""])
    error_message = "jwt_audience must have at most 50 entries, none of them empty."
  }
}

variable "jwt_scopes" {
  description = "The scopes of which a token needs one. Without scopes any token of the issuer and the audience is taken."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.jwt_scopes) == 0 || startswith(var.caller, "jwt:")
    error_message = "jwt_scopes needs caller = \"jwt:CLAIM\"."
  }
}

variable "domain" {
  description = "The domain of the HTTP API, with a certificate of this region and, if it is in Route 53, its zone. base_path is the path there. The API's own endpoint is off then."
  type = object({
    name            = string
    certificate_arn = string
    zone            = optional(object({ id = string }))
  })
  default = null

  validation {
    condition     = var.domain == null || var.front_door == "http_api"
    error_message = "domain needs front_door = \"http_api\", because a function URL has no domain of yours."
  }
}

variable "route_throttles" {
  description = "The throttles of single routes, by route key such as POST /orders. The other routes have requests_per_second and request_burst."
  type = map(object({
    requests_per_second = number
    burst               = number
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for key in keys(var.route_throttles) : contains(["POST /orders", "POST /orders/batch", "POST /orders/{id}/cancel", "GET /orders/{id}", "GET /openapi.json"], key)])
    error_message = "route_throttles must name routes of the service."
  }
}

variable "integration_timeout_milliseconds" {
  description = "The milliseconds that the HTTP API waits for the api."
  type        = number
  default     = 30000
  nullable    = false

  validation {
    condition     = var.integration_timeout_milliseconds >= 50 && var.integration_timeout_milliseconds <= 30000 && floor(var.integration_timeout_milliseconds) == var.integration_timeout_milliseconds
    error_message = "integration_timeout_milliseconds must be a whole number from 50 to 30000, which is the longest that an HTTP API waits."
  }
}

variable "max_wait_seconds" {
  description = "The longest that a read waits for an order where the client prefers it (Prefer: wait=N), or 0 if no read waits. A read that waits holds an execution environment."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = contains(range(0, 26), var.max_wait_seconds)
    error_message = "max_wait_seconds must be a whole number from 0 to 25."
  }

  validation {
    condition     = var.max_wait_seconds < var.api_timeout_seconds
    error_message = "max_wait_seconds must be less than api_timeout_seconds. A wait is cut to the time of the invocation."
  }
}

variable "requests_per_second" {
  description = "The average number of requests a second that the HTTP API lets pass. Further requests are answered 429."
  type        = number
  default     = 500
  nullable    = false

  validation {
    condition     = var.requests_per_second >= 1 && var.requests_per_second <= 10000
    error_message = "requests_per_second must be from 1 to 10000, which is the account's default quota."
  }

  validation {
    condition     = local.function_url || var.api_reserved_concurrency == null ? true : var.requests_per_second * local.submit_seconds <= var.api_reserved_concurrency
    error_message = "requests_per_second must be at most ten for each execution of api_reserved_concurrency, because a submit may take a tenth of a second. Otherwise Lambda throttles what the gateway lets pass."
  }
}

variable "request_burst" {
  description = "The number of requests at once that the HTTP API lets pass."
  type        = number
  default     = 500
  nullable    = false

  validation {
    condition     = var.request_burst >= 1 && var.request_burst <= 5000 && floor(var.request_burst) == var.request_burst
    error_message = "request_burst must be a whole number from 1 to 5000, which is the account's default quota."
  }
}

variable "cors_allow_origins" {
  description = "The origins whose pages may call the service. Without an origin there is no CORS."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for origin in var.cors_allow_origins : can(regex("^(\\*|https?://[^/*]+)$", origin))])
    error_message = "cors_allow_origins must be origins like https://shop.example, or *."
  }

  validation {
    condition     = var.caller == "none" || !contains(var.cors_allow_origins, "*")
    error_message = "cors_allow_origins must name its origins where callers are known."
  }
}

# Alarms

variable "alarm_emails" {
  description = "The e-mail addresses that are told of alarms. Each address has to confirm once. Others subscribe to the topics (outputs alarm_topic_arn and ticket_topic_arn)."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+$", address))])
    error_message = "alarm_emails must be e-mail addresses."
  }
}

variable "ticket_emails" {
  description = "The e-mail addresses that are told of alarms that can wait until the morning. With null they are alarm_emails."
  type        = list(string)
  default     = null

  validation {
    condition     = alltrue([for address in coalesce(var.ticket_emails, []) : can(regex("^[^@ ]+@[^@ ]+$", address))])
    error_message = "ticket_emails must be e-mail addresses."
  }
}

variable "alarm_topics" {
  description = "The topics of the organization for alarms that page and for tickets. A topic that is not given is made. A topic that is given must let CloudWatch publish, and so must its key. Its ARN may be one that is not known before the apply."
  type = object({
    page   = optional(object({ arn = string }))
    ticket = optional(object({ arn = string }))
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for topic in values(var.alarm_topics) : topic == null || can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:.+$", topic.arn))])
    error_message = "alarm_topics must have the ARNs of SNS topics."
  }
}

variable "alarms_are_heard" {
  description = "True if somebody is subscribed to the topic of pages who is not in alarm_emails. It silences the warning that nobody is."
  type        = bool
  default     = false
  nullable    = false
}

variable "no_traffic_alarm_minutes" {
  description = "The minutes without any request after which somebody is told. With null nobody is, which is right for a service that may be quiet."
  type        = number
  default     = null

  validation {
    condition     = var.no_traffic_alarm_minutes == null ? true : contains(range(5, 1441, 5), var.no_traffic_alarm_minutes)
    error_message = "no_traffic_alarm_minutes must be a multiple of 5 from 5 to 1440, or null."
  }
}

variable "runbook_url" {
  description = "The address at which docs/runbook.md is published. Each alarm links to its section there."
  type        = string
  default     = "docs/runbook.md"
  nullable    = false

  validation {
    condition     = var.runbook_url != "" && !strcontains(var.runbook_url, "#")
    error_message = "runbook_url must be a URL or path without a fragment."
  }
}

variable "iterator_age_alarm_seconds" {
  description = "The seconds that the consumer may fall behind before somebody is told."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.iterator_age_alarm_seconds >= 60 && var.iterator_age_alarm_seconds < local.record_lifetime_seconds / 2
    error_message = "iterator_age_alarm_seconds must be at least 60 and less than half of a record's lifetime (the stream's retention, or maximum_record_age_seconds)."
  }
}

variable "latency_alarm_milliseconds" {
  description = "The milliseconds that POST /orders may take (p99) before somebody is told. With a function URL any request counts."
  type        = number
  default     = 2000
  nullable    = false

  validation {
    condition     = var.latency_alarm_milliseconds >= 50 && var.latency_alarm_milliseconds < var.api_timeout_seconds * 1000
    error_message = "latency_alarm_milliseconds must be at least 50 and less than the api's timeout."
  }
}

variable "conflict_alarm_count" {
  description = "The number of different orders under one id in 15 minutes from which somebody is told. Fewer are taken for clients' mistakes."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.conflict_alarm_count >= 1 && floor(var.conflict_alarm_count) == var.conflict_alarm_count
    error_message = "conflict_alarm_count must be a whole number of at least 1."
  }
}
