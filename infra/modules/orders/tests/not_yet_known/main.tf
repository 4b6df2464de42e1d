# A root that makes what it brings to the module. A plan does not know the output of terraform_data
# before the first apply, as it does not know the ARN of a key.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "api_package" {
  type = string
}

variable "consumer_package" {
  type = string
}

variable "notifier_package" {
  type = string
}

resource "terraform_data" "brought" {
  input = {
    key      = "arn:aws:kms:eu-test-1:123456789012:key/brought"
    next_key = "arn:aws:kms:eu-test-1:123456789012:key/next"
    topic    = "arn:aws:sns:eu-test-1:123456789012:pager"
    zone     = "Z1"
    boundary = "arn:aws:iam::123456789012:policy/boundary"
    operator = "arn:aws:iam::123456789012:role/on-call"
    subnet   = "subnet-1"
    group    = "sg-1"
    bucket   = "packages"
    version  = "1"
  }
}

module "orders" {
  source = "../.."

  name             = "orders"
  api_package      = var.api_package
  consumer_package = var.consumer_package
  notifier_package = var.notifier_package

  kms_key                  = { arn = terraform_data.brought.output.key }
  other_kms_key_arns       = [terraform_data.brought.output.next_key]
  alarm_topics             = { page = { arn = terraform_data.brought.output.topic } }
  permissions_boundary_arn = terraform_data.brought.output.boundary
  operator_principal_arns  = [terraform_data.brought.output.operator]
  vpc                      = { subnet_ids = [terraform_data.brought.output.subnet], security_group_ids = [terraform_data.brought.output.group] }
  domain = {
    name            = "orders.example"
    certificate_arn = "arn:aws:acm:eu-test-1:123456789012:certificate/c"
    zone            = { id = terraform_data.brought.output.zone }
  }
  packages_s3 = {
    bucket   = terraform_data.brought.output.bucket
    api      = { key = "api.zip", version = terraform_data.brought.output.version }
    consumer = { key = "consumer.zip" }
    notifier = { key = "notifier.zip" }
  }
}

output "key_arn" {
  value = module.orders.key_arn
}

output "alarm_topic_arn" {
  value = module.orders.alarm_topic_arn
}
