# The Terraform and the providers that this configuration needs. Region and credentials come from
# the environment, as with every AWS tool.

terraform {
  # Since 1.9 the validation of a variable may refer to other variables, and since 1.11 the S3
  # backend locks its state by a file (docs/deploy.md).
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 6.28 knows the second permission of an open function URL (function_url.tf).
      version = "~> 6.28"
    }
  }
}

provider "aws" {
  default_tags {
    tags = merge({ Service = var.name, Setting = var.setting }, var.tags)
  }
}
