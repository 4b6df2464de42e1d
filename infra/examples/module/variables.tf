# The inputs of the example, which are what a platform team brings.

variable "name" {
  description = "The prefix of every resource's name."
  type        = string
  default     = "shop-orders"
  nullable    = false
}

variable "packages" {
  description = "The packages in the team's bucket."
  type = object({
    bucket   = string
    api      = object({ key = string, version = optional(string) })
    consumer = object({ key = string, version = optional(string) })
    notifier = object({ key = string, version = optional(string) })
  })
  nullable = false
}

variable "permissions_boundary_arn" {
  description = "The permissions boundary of all roles."
  type        = string
  default     = null
}

variable "vpc" {
  description = "The subnets and security groups of the functions."
  type        = object({ subnet_ids = list(string), security_group_ids = list(string) })
  default     = null
}

variable "domain" {
  description = "The domain, with its certificate and its zone."
  type        = object({ name = string, certificate_arn = string, zone = optional(object({ id = string })) })
  nullable    = false
}

variable "alarm_topics" {
  description = "The organization's topics."
  type        = object({ page = object({ arn = string }), ticket = object({ arn = string }) })
  nullable    = false
}

variable "operator_principal_arns" {
  description = "The principals that may take the operator's role."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "jwt_issuer" {
  description = "The issuer of the clients' tokens."
  type        = string
  nullable    = false
}

variable "jwt_audience" {
  description = "The audiences of the clients' tokens."
  type        = list(string)
  nullable    = false
}
