# Tests that every rule for a variable refuses the values that it is for. The first runs are about
# the rules for one value. They set many variables at a time, and each of them has to fail. The
# other runs are about the rules between values.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "what_is_below_a_range_is_refused" {
  command = plan

  variables {
    shard_count                      = 0
    retention_hours                  = 23
    batch_size                       = 0
    batching_window_seconds          = -1
    parallelization_factor           = 0
    maximum_retry_attempts           = -1
    consumer_timeout_seconds         = 4
    api_memory_mb                    = 127
    consumer_memory_mb               = 127
    consumer_max_in_flight           = 0
    log_retention_days               = 0
    queue_retention_seconds          = 59
    archive_retention_days           = 1
    point_in_time_recovery_days      = 0
    integration_timeout_milliseconds = 49
    requests_per_second              = 0
    request_burst                    = 0
    conflict_alarm_count             = 0
  }

  expect_failures = [
    var.shard_count, var.retention_hours, var.batch_size, var.batching_window_seconds, var.parallelization_factor,
    var.maximum_retry_attempts, var.consumer_timeout_seconds, var.api_memory_mb, var.consumer_memory_mb,
    var.consumer_max_in_flight, var.log_retention_days,
    var.queue_retention_seconds, var.archive_retention_days, var.point_in_time_recovery_days,
    var.integration_timeout_milliseconds, var.requests_per_second, var.request_burst, var.conflict_alarm_count,
  ]
}

run "what_is_above_a_range_is_refused" {
  command = plan

  variables {
    shard_count                      = 501
    retention_hours                  = 8761
    batch_size                       = 10001
    batching_window_seconds          = 301
    parallelization_factor           = 11
    maximum_retry_attempts           = 10001
    consumer_timeout_seconds         = 901
    api_memory_mb                    = 10241
    consumer_memory_mb               = 10241
    consumer_max_in_flight           = 1001
    log_retention_days               = 3654
    queue_retention_seconds          = 1209601
    archive_retention_days           = 3654
    point_in_time_recovery_days      = 36
    integration_timeout_milliseconds = 30001
    requests_per_second              = 10001
    request_burst                    = 5001
  }

  expect_failures = [
    var.shard_count, var.retention_hours, var.batch_size, var.batching_window_seconds, var.parallelization_factor,
    var.maximum_retry_attempts, var.consumer_timeout_seconds, var.api_memory_mb, var.consumer_memory_mb,
    var.consumer_max_in_flight, var.log_retention_days, var.queue_retention_seconds, var.archive_retention_days,
    var.point_in_time_recovery_days, var.integration_timeout_milliseconds, var.requests_per_second, var.request_burst,
  ]
}

run "what_lies_between_two_allowed_values_is_refused" {
  command = plan

  variables {
    shard_count                      = 1.5
    retention_hours                  = 24.5
    batch_size                       = 1.5
    batching_window_seconds          = 0.5
    parallelization_factor           = 1.5
    maximum_retry_attempts           = 0.5
    consumer_timeout_seconds         = 5.5
    api_memory_mb                    = 128.5
    consumer_memory_mb               = 128.5
    consumer_max_in_flight           = 1.5
    log_retention_days               = 2
    queue_retention_seconds          = 604800.5
    archive_retention_days           = 2.5
    point_in_time_recovery_days      = 1.5
    integration_timeout_milliseconds = 20000.5
    request_burst                    = 1.5
    conflict_alarm_count             = 1.5
  }

  expect_failures = [
    var.shard_count, var.retention_hours, var.batch_size, var.batching_window_seconds, var.parallelization_factor,
    var.maximum_retry_attempts, var.consumer_timeout_seconds, var.api_memory_mb, var.consumer_memory_mb,
    var.consumer_max_in_flight, var.log_retention_days,
    var.queue_retention_seconds, var.archive_retention_days, var.point_in_time_recovery_days,
    var.integration_timeout_milliseconds, var.request_burst, var.conflict_alarm_count,
  ]
}

run "what_aws_would_take_and_the_service_would_break_by_is_refused" {
  command = plan

  variables {
    starting_position              = "LATEST"
    bisect_batch_on_function_error = false
    report_batch_item_failures     = false
    log_level                      = "warn"
  }

  expect_failures = [var.starting_position, var.bisect_batch_on_function_error, var.report_batch_item_failures, var.log_level]
}

run "words_that_aws_does_not_know_are_refused" {
  command = plan

  variables {
    name                     = "Orders"
    table_name               = "orders/restored"
    starting_position        = "AT_TIMESTAMP"
    permissions_boundary_arn = "boundary"
    api_package              = "../dist/api"
    consumer_package         = "../dist/consumer"
    architecture             = "riscv"
    log_level                = "loud"
    api_pinned_version       = "$LATEST"
    consumer_pinned_version  = "live"
    stream_mode              = "BOTH"
    discard_destination      = "sns"
    front_door               = "alb"
    jwt_issuer               = "http://issuer.example"
    jwt_audience             = [""]
    alarm_emails             = ["nobody"]
    runbook_url              = "https://runbook.example#here"
    kms_key                  = { arn = "arn:aws:kms:eu-test-1:123456789012:alias/orders" }
    other_kms_key_arns       = ["arn:aws:kms:eu-test-1:123456789012:alias/orders"]
    alarm_topics             = { page = { arn = "arn:aws:sqs:eu-test-1:123456789012:pager" } }
  }

  expect_failures = [
    var.name, var.table_name, var.starting_position, var.permissions_boundary_arn, var.api_package, var.consumer_package, var.architecture,
    var.log_level, var.api_pinned_version, var.consumer_pinned_version, var.stream_mode, var.discard_destination, var.front_door,
    var.jwt_issuer, var.jwt_audience, var.alarm_emails, var.runbook_url, var.kms_key, var.other_kms_key_arns, var.alarm_topics,
  ]
}

run "a_key_of_another_region_is_refused" {
  command = plan

  variables {
    kms_key = { arn = "arn:aws:kms:eu-test-2:123456789012:key/k" }
  }

  expect_failures = [var.kms_key]
}

run "a_key_and_a_topic_without_an_arn_are_refused" {
  command = plan

  variables {
    kms_key      = { arn = null }
    alarm_topics = { ticket = { arn = null } }
  }

  expect_failures = [var.kms_key, var.alarm_topics]
}

run "a_key_of_another_account_and_a_replica_are_taken" {
  command = plan

  variables {
    kms_key = { arn = "arn:aws:kms:eu-test-1:210987654321:key/mrk-1234abcd12ab34cd56ef1234567890ab" }
  }
}

run "empty_and_overlong_words_are_refused" {
  command = plan

  variables {
    name                    = "orders-of-the-whole-company"
    api_pinned_version      = "0"
    consumer_pinned_version = ""
    caller                  = "jwt:"
    runbook_url             = ""
  }

  expect_failures = [var.name, var.api_pinned_version, var.consumer_pinned_version, var.caller, var.runbook_url]
}

run "a_name_of_two_letters_is_refused" {
  command = plan

  variables {
    name = "or"
  }

  expect_failures = [var.name]
}

run "more_than_an_authorizer_takes_is_refused" {
  command = plan

  variables {
    jwt_audience = [for number in range(51) : "audience-${number}"]
  }

  expect_failures = [var.jwt_audience]
}

run "an_origin_needs_a_scheme" {
  command = plan

  variables {
    cors_allow_origins = ["shop.example"]
  }

  expect_failures = [var.cors_allow_origins]
}

run "an_origin_has_no_path" {
  command = plan

  variables {
    cors_allow_origins = ["https://shop.example/path"]
  }

  expect_failures = [var.cors_allow_origins]
}

run "a_caller_that_no_front_door_names_is_refused" {
  command = plan

  variables {
    caller = "lambda:user"
  }

  expect_failures = [var.caller]
}

# These runs are apart from those above. The rule for this variable needs the api's timeout, and is
# not looked at where the timeout's own rule fails.
run "a_wait_of_less_than_nothing_is_refused" {
  command = plan

  variables {
    max_wait_seconds = -1
  }

  expect_failures = [var.max_wait_seconds]
}

run "a_wait_is_of_whole_seconds" {
  command = plan

  variables {
    max_wait_seconds = 0.5
  }

  expect_failures = [var.max_wait_seconds]
}

run "a_wait_that_a_gateway_does_not_wait_for_is_refused" {
  command = plan

  variables {
    api_timeout_seconds = 29
    max_wait_seconds    = 26
  }

  expect_failures = [var.max_wait_seconds]
}

run "a_wait_that_the_function_has_no_time_for_is_refused" {
  command = plan

  variables {
    max_wait_seconds = 10
  }

  expect_failures = [var.max_wait_seconds]
}

run "the_longest_wait_reaches_the_reader" {
  command = plan

  variables {
    api_timeout_seconds = 26
    max_wait_seconds    = 25
  }

  assert {
    condition     = aws_lambda_function.reader[0].environment[0].variables.MAX_WAIT_SECONDS == "25"
    error_message = "MAX_WAIT_SECONDS must be the value of max_wait_seconds."
  }
}

run "a_base_path_without_a_slash_before_it_is_refused" {
  command = plan

  variables {
    base_path = "v1"
  }

  expect_failures = [var.base_path]
}

run "a_base_path_that_climbs_is_refused" {
  command = plan

  variables {
    base_path = "/v1/.."
  }

  expect_failures = [var.base_path]
}

run "a_base_path_reaches_the_api" {
  command = plan

  variables {
    base_path = "/shop/v1.0"
  }

  assert {
    condition     = aws_lambda_function.api.environment[0].variables.BASE_PATH == "/shop/v1.0"
    error_message = "BASE_PATH must be the value of base_path."
  }
}

run "a_record_age_below_a_minute_is_refused" {
  command = plan

  variables {
    maximum_record_age_seconds = 59
  }

  expect_failures = [var.maximum_record_age_seconds]
}

run "a_record_age_above_a_week_is_refused" {
  command = plan

  variables {
    maximum_record_age_seconds = 604801
    retention_hours            = 335
  }

  expect_failures = [var.maximum_record_age_seconds]
}

run "a_record_age_ends_before_the_stream_forgets" {
  command = plan

  variables {
    maximum_record_age_seconds = 86400
  }

  expect_failures = [var.maximum_record_age_seconds]
}

run "the_queue_outlasts_the_stream" {
  command = plan

  variables {
    queue_retention_seconds = 86400
  }

  expect_failures = [var.discard_destination]
}

run "a_stream_of_two_weeks_needs_the_archive" {
  command = plan

  variables {
    retention_hours = 336
  }

  expect_failures = [var.discard_destination]
}

run "retries_that_outlast_the_stream_promise_nothing" {
  command = plan

  variables {
    maximum_retry_attempts = 2928
  }

  expect_failures = [output.outage_budget_seconds]
}

run "retries_that_outlast_the_age_of_a_record_promise_nothing" {
  command = plan

  variables {
    maximum_retry_attempts     = 20
    maximum_record_age_seconds = 619
  }

  expect_failures = [output.outage_budget_seconds]
}

run "the_archive_outlasts_the_stream" {
  command = plan

  variables {
    discard_destination    = "s3"
    retention_hours        = 720
    archive_retention_days = 30
  }

  expect_failures = [var.discard_destination]
}

run "the_api_outlasts_its_calls" {
  command = plan

  variables {
    api_timeout_seconds = 6
  }

  expect_failures = [var.api_timeout_seconds]
}

run "values_that_hang_together_are_whole_numbers_too" {
  command = plan

  variables {
    api_timeout_seconds        = 7.5
    maximum_record_age_seconds = 7200.5
    account_concurrency_limit  = 10.5
  }

  expect_failures = [var.api_timeout_seconds, var.maximum_record_age_seconds, var.account_concurrency_limit]
}

run "the_gateway_outlasts_the_api" {
  command = plan

  variables {
    api_timeout_seconds = 30
  }

  expect_failures = [var.api_timeout_seconds]
}

run "a_gateway_that_waits_less_needs_a_faster_api" {
  command = plan

  variables {
    integration_timeout_milliseconds = 10000
  }

  expect_failures = [var.api_timeout_seconds]
}

run "reserved_concurrency_covers_every_batch_in_flight" {
  command = plan

  variables {
    shard_count                   = 4
    parallelization_factor        = 10
    consumer_reserved_concurrency = 39
  }

  expect_failures = [var.consumer_reserved_concurrency]
}

run "a_reservation_of_nothing_is_refused" {
  command = plan

  variables {
    api_reserved_concurrency      = 0
    consumer_reserved_concurrency = 0
  }

  expect_failures = [var.api_reserved_concurrency, var.consumer_reserved_concurrency]
}

run "executions_are_reserved_whole" {
  command = plan

  variables {
    api_reserved_concurrency      = 1.5
    consumer_reserved_concurrency = 2.5
  }

  expect_failures = [var.api_reserved_concurrency, var.consumer_reserved_concurrency]
}

run "an_on_demand_stream_needs_a_reservation_of_one_at_least" {
  command = plan

  variables {
    stream_mode                   = "ON_DEMAND"
    consumer_reserved_concurrency = 0
  }

  expect_failures = [var.consumer_reserved_concurrency]
}

run "a_reservation_leaves_a_hundred_to_all_others" {
  command = plan

  variables {
    api_reserved_concurrency      = 899
    consumer_reserved_concurrency = 2
  }

  expect_failures = [var.account_concurrency_limit]
}

run "a_canary_gets_less_than_everything" {
  command = plan

  variables {
    api_pinned_version = "5"
    api_canary_weight  = 1
  }

  expect_failures = [var.api_canary_weight]
}

run "a_canary_gets_no_less_than_nothing" {
  command = plan

  variables {
    api_pinned_version = "5"
    api_canary_weight  = -0.1
  }

  expect_failures = [var.api_canary_weight]
}

run "a_canary_needs_a_pinned_version" {
  command = plan

  variables {
    api_canary_weight = 0.1
  }

  expect_failures = [var.api_canary_weight]
}

run "tokens_need_an_issuer" {
  command = plan

  variables {
    caller       = "jwt:sub"
    jwt_audience = ["orders"]
  }

  expect_failures = [var.caller]
}

run "tokens_need_an_audience" {
  command = plan

  variables {
    caller     = "jwt:sub"
    jwt_issuer = "https://issuer.example"
  }

  expect_failures = [var.caller]
}

run "a_function_url_checks_no_tokens" {
  command = plan

  variables {
    front_door   = "function_url"
    caller       = "jwt:sub"
    jwt_issuer   = "https://issuer.example"
    jwt_audience = ["orders"]
  }

  expect_failures = [var.caller]
}

run "known_callers_need_named_origins" {
  command = plan

  variables {
    caller             = "iam"
    cors_allow_origins = ["*"]
  }

  expect_failures = [var.cors_allow_origins]
}

run "the_first_alarm_comes_before_the_critical_one" {
  command = plan

  variables {
    maximum_record_age_seconds = 600
  }

  expect_failures = [var.iterator_age_alarm_seconds]
}

run "alarms_have_least_values" {
  command = plan

  variables {
    iterator_age_alarm_seconds = 59
    latency_alarm_milliseconds = 49
    account_concurrency_limit  = 9
  }

  expect_failures = [var.iterator_age_alarm_seconds, var.latency_alarm_milliseconds, var.account_concurrency_limit]
}

run "a_latency_beyond_the_timeout_would_never_be_seen" {
  command = plan

  variables {
    latency_alarm_milliseconds = 10000
  }

  expect_failures = [var.latency_alarm_milliseconds]
}

run "the_least_values_are_accepted" {
  command = plan

  variables {
    shard_count                = 1
    batch_size                 = 1
    batching_window_seconds    = 0
    parallelization_factor     = 1
    maximum_retry_attempts     = 0
    api_timeout_seconds        = 7
    consumer_timeout_seconds   = 5
    api_memory_mb              = 128
    consumer_memory_mb         = 128
    consumer_max_in_flight     = 1
    queue_retention_seconds    = 86401
    maximum_record_age_seconds = 121
    iterator_age_alarm_seconds = 60
    latency_alarm_milliseconds = 50
  }
}

run "the_greatest_values_are_accepted" {
  command = plan

  variables {
    shard_count                   = 500
    retention_hours               = 8760
    batch_size                    = 10000
    batching_window_seconds       = 300
    parallelization_factor        = 10
    maximum_retry_attempts        = 10000
    maximum_record_age_seconds    = 604800
    api_timeout_seconds           = 29
    consumer_timeout_seconds      = 60
    api_memory_mb                 = 10240
    consumer_memory_mb            = 10240
    consumer_max_in_flight        = 1000
    account_concurrency_limit     = 6100
    api_reserved_concurrency      = 1000
    consumer_reserved_concurrency = 5000
    discard_destination           = "s3"
    archive_retention_days        = 3653
    requests_per_second           = 10000
    request_burst                 = 5000
  }
}

run "the_longest_timeout_of_a_function_is_taken" {
  command = plan

  variables {
    consumer_timeout_seconds = 900
  }
}
