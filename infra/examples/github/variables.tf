# The inputs of the deployer's role.

variable "name" {
  description = "The name of the deployment, which is the variable name of infra/."
  type        = string
  default     = "orders"
  nullable    = false
}

variable "oidc_provider_arn" {
  description = "The account's OIDC provider for token.actions.githubusercontent.com."
  type        = string
  nullable    = false
}

variable "repository" {
  description = "The repository whose workflow deploys, such as team/orders."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.repository))
    error_message = "repository must be OWNER/NAME. A pattern would let other repositories deploy."
  }
}

variable "environment" {
  description = "The environment of GitHub whose jobs may apply. Its reviewers say yes to the plan."
  type        = string
  default     = "production"
  nullable    = false
}

variable "state_bucket" {
  description = "The bucket of Terraform's state."
  type        = string
  nullable    = false
}

variable "state_key" {
  description = "The key of the state in the bucket."
  type        = string
  default     = "orders/terraform.tfstate"
  nullable    = false
}

variable "kms_key_arns" {
  description = "The keys that the deployment is given, which are the variables kms_key and other_kms_key_arns of infra/. A key that the deployment makes is not among them."
  type        = list(string)
  default     = []
  nullable    = false
}
