# For `make deploy-localstack`: what LocalStack's community edition knows.

# It has no HTTP APIs.
front_door = "function_url"

# It is gone when LocalStack ends, or by `tests/localstack/terraform destroy`.
deletion_protection = false
