# The Terraform and the provider that this module needs. The provider's configuration is the
# caller's.

terraform {
  # Since 1.9 the validation of a variable may refer to other variables.
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 6.28 knows the second permission of an open function URL (function_url.tf).
      version = "~> 6.28"
    }
  }
}
