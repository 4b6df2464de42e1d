# The values for `make deploy-localstack`, which keep to the services of LocalStack's community
# edition.

# The name of this file. The deployment remembers it.
setting = "localstack"

# The community edition has no HTTP APIs.
front_door = "function_url"

# The table is gone when LocalStack ends, or after `tests/localstack/terraform destroy`.
deletion_protection = false
