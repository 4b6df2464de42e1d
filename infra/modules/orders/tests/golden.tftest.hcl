# The settings whose resources are compared, all attributes, with tests/golden/*.json. The
# comparison is infra/tests/golden.py, which says how to write the golden files anew. Each run has a
# state of its own, so that no value stays from another run.

mock_provider "aws" {
  source = "./tests/identities"
}

variables {
  api_package      = "tests/packages/api.zip"
  consumer_package = "tests/packages/consumer.zip"
  notifier_package = "tests/packages/notifier.zip"
  alarm_emails     = ["pager@example.com"]
}

run "shipped" {
  assert {
    condition     = output.url == "https://gateway.execute-api.eu-test-1.amazonaws.com"
    error_message = "The gateway must be the front door."
  }
}

# All that can be asked for in one deployment with an HTTP API.
run "everything" {
  state_key = "everything"

  variables {
    accepting                     = false
    account_concurrency_limit     = 1000
    api_canary_weight             = 0.1
    api_pinned_version            = "5"
    api_provisioned_concurrency   = 2
    api_reserved_concurrency      = 50
    base_path                     = "/shop"
    caller                        = "jwt:sub"
    conflict_alarm_count          = 7
    consumer_enabled              = false
    consumer_pinned_version       = "6"
    consumer_reserved_concurrency = 20
    cors_allow_origins            = ["https://shop.example"]
    discard_destination           = "s3"
    domain                        = { name = "orders.example", certificate_arn = "arn:aws:acm:eu-test-1:123456789012:certificate/c", zone = { id = "Z1" } }
    enhanced_fan_out              = true
    jwt_audience                  = ["orders"]
    jwt_issuer                    = "https://issuer.example"
    jwt_scopes                    = ["orders/write"]
    kms_key                       = { arn = "arn:aws:kms:eu-test-1:123456789012:key/brought", keep_own = true }
    no_traffic_alarm_minutes      = 60
    notifier_enabled              = false
    notifier_pinned_version       = "8"
    notifier_reserved_concurrency = 30
    operator_principal_arns       = ["arn:aws:iam::123456789012:role/on-call"]
    other_kms_key_arns            = ["arn:aws:kms:eu-test-1:123456789012:key/former"]
    permissions_boundary_arn      = "arn:aws:iam::123456789012:policy/boundary"
    reader_pinned_version         = "7"
    reader_reserved_concurrency   = 40
    route_throttles               = { "POST /orders" = { requests_per_second = 100, burst = 200 } }
    table_name                    = "orders-restored"
    tracing                       = true
    vpc                           = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
  }

  assert {
    condition     = output.discard_destination_arn == "arn:aws:s3:::bucket-discarded"
    error_message = "Discards must go to the archive."
  }
}

# As little as can be asked for, on demand and from packages in a bucket.
run "function_url" {
  state_key = "function_url"

  variables {
    cors_allow_origins  = ["https://shop.example"]
    deletion_protection = false
    facts               = false
    front_door          = "function_url"
    packages_s3 = {
      bucket   = "packages"
      api      = { key = "api.zip", version = "a" }
      consumer = { key = "consumer.zip", version = "c" }
    }
    stream_mode = "ON_DEMAND"
  }

  assert {
    condition     = output.url == "https://u.lambda-url.eu-test-1.on.aws"
    error_message = "The function URL must be the front door."
  }
}
