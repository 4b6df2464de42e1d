# Every rule for a variable refuses what it is there to refuse. Rules for one value first, those between values after them.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "shard_count_has_a_least_value" {
  command = plan

  variables {
    shard_count = 0
  }

  expect_failures = [var.shard_count]
}

run "shard_count_has_a_greatest_value" {
  command = plan

  variables {
    shard_count = 501
  }

  expect_failures = [var.shard_count]
}

run "shard_count_is_a_whole_number" {
  command = plan

  variables {
    shard_count = 1.5
  }

  expect_failures = [var.shard_count]
}

run "retention_hours_has_a_least_value" {
  command = plan

  variables {
    retention_hours = 23
  }

  expect_failures = [var.retention_hours]
}

run "retention_hours_has_a_greatest_value" {
  command = plan

  variables {
    retention_hours = 8761
  }

  expect_failures = [var.retention_hours]
}

run "retention_hours_is_a_whole_number" {
  command = plan

  variables {
    retention_hours = 24.5
  }

  expect_failures = [var.retention_hours]
}

run "batch_size_has_a_least_value" {
  command = plan

  variables {
    batch_size = 0
  }

  expect_failures = [var.batch_size]
}

run "batch_size_has_a_greatest_value" {
  command = plan

  variables {
    batch_size = 10001
  }

  expect_failures = [var.batch_size]
}

run "batch_size_is_a_whole_number" {
  command = plan

  variables {
    batch_size = 1.5
  }

  expect_failures = [var.batch_size]
}

run "batching_window_seconds_has_a_least_value" {
  command = plan

  variables {
    batching_window_seconds = -1
  }

  expect_failures = [var.batching_window_seconds]
}

run "batching_window_seconds_has_a_greatest_value" {
  command = plan

  variables {
    batching_window_seconds = 301
  }

  expect_failures = [var.batching_window_seconds]
}

run "batching_window_seconds_is_a_whole_number" {
  command = plan

  variables {
    batching_window_seconds = 0.5
  }

  expect_failures = [var.batching_window_seconds]
}

run "parallelization_factor_has_a_least_value" {
  command = plan

  variables {
    parallelization_factor = 0
  }

  expect_failures = [var.parallelization_factor]
}

run "parallelization_factor_has_a_greatest_value" {
  command = plan

  variables {
    parallelization_factor = 11
  }

  expect_failures = [var.parallelization_factor]
}

run "parallelization_factor_is_a_whole_number" {
  command = plan

  variables {
    parallelization_factor = 1.5
  }

  expect_failures = [var.parallelization_factor]
}

run "maximum_retry_attempts_has_a_least_value" {
  command = plan

  variables {
    maximum_retry_attempts = -1
  }

  expect_failures = [var.maximum_retry_attempts]
}

run "maximum_retry_attempts_has_a_greatest_value" {
  command = plan

  variables {
    maximum_retry_attempts = 10001
  }

  expect_failures = [var.maximum_retry_attempts]
}

run "maximum_retry_attempts_is_a_whole_number" {
  command = plan

  variables {
    maximum_retry_attempts = 0.5
  }

  expect_failures = [var.maximum_retry_attempts]
}

run "maximum_record_age_seconds_has_a_least_value" {
  command = plan

  variables {
    maximum_record_age_seconds = 59
  }

  expect_failures = [var.maximum_record_age_seconds]
}

run "maximum_record_age_seconds_has_a_greatest_value" {
  command = plan

  variables {
    maximum_record_age_seconds = 604801
  }

  expect_failures = [var.maximum_record_age_seconds]
}

run "maximum_record_age_seconds_is_a_whole_number" {
  command = plan

  variables {
    maximum_record_age_seconds = 60.5
  }

  expect_failures = [var.maximum_record_age_seconds]
}

run "api_timeout_seconds_has_a_least_value" {
  command = plan

  variables {
    api_timeout_seconds = 6
  }

  expect_failures = [var.api_timeout_seconds]
}

run "api_timeout_seconds_has_a_greatest_value" {
  command = plan

  variables {
    api_timeout_seconds = 30
  }

  expect_failures = [var.api_timeout_seconds]
}

run "api_timeout_seconds_is_a_whole_number" {
  command = plan

  variables {
    api_timeout_seconds = 7.5
  }

  expect_failures = [var.api_timeout_seconds]
}

run "consumer_timeout_seconds_has_a_least_value" {
  command = plan

  variables {
    consumer_timeout_seconds = 4
  }

  expect_failures = [var.consumer_timeout_seconds]
}

run "consumer_timeout_seconds_has_a_greatest_value" {
  command = plan

  variables {
    consumer_timeout_seconds = 901
  }

  expect_failures = [var.consumer_timeout_seconds]
}

run "consumer_timeout_seconds_is_a_whole_number" {
  command = plan

  variables {
    consumer_timeout_seconds = 5.5
  }

  expect_failures = [var.consumer_timeout_seconds]
}

run "api_memory_mb_has_a_least_value" {
  command = plan

  variables {
    api_memory_mb = 127
  }

  expect_failures = [var.api_memory_mb]
}

run "api_memory_mb_has_a_greatest_value" {
  command = plan

  variables {
    api_memory_mb = 10241
  }

  expect_failures = [var.api_memory_mb]
}

run "api_memory_mb_is_a_whole_number" {
  command = plan

  variables {
    api_memory_mb = 128.5
  }

  expect_failures = [var.api_memory_mb]
}

run "consumer_memory_mb_has_a_least_value" {
  command = plan

  variables {
    consumer_memory_mb = 127
  }

  expect_failures = [var.consumer_memory_mb]
}

run "consumer_memory_mb_has_a_greatest_value" {
  command = plan

  variables {
    consumer_memory_mb = 10241
  }

  expect_failures = [var.consumer_memory_mb]
}

run "consumer_memory_mb_is_a_whole_number" {
  command = plan

  variables {
    consumer_memory_mb = 128.5
  }

  expect_failures = [var.consumer_memory_mb]
}

run "consumer_max_in_flight_has_a_least_value" {
  command = plan

  variables {
    consumer_max_in_flight = 0
  }

  expect_failures = [var.consumer_max_in_flight]
}

run "consumer_max_in_flight_has_a_greatest_value" {
  command = plan

  variables {
    consumer_max_in_flight = 1001
  }

  expect_failures = [var.consumer_max_in_flight]
}

run "consumer_max_in_flight_is_a_whole_number" {
  command = plan

  variables {
    consumer_max_in_flight = 1.5
  }

  expect_failures = [var.consumer_max_in_flight]
}

run "log_retention_days_has_a_least_value" {
  command = plan

  variables {
    log_retention_days = 0
  }

  expect_failures = [var.log_retention_days]
}

run "log_retention_days_has_a_greatest_value" {
  command = plan

  variables {
    log_retention_days = 3654
  }

  expect_failures = [var.log_retention_days]
}

run "log_retention_days_is_one_of_a_list" {
  command = plan

  variables {
    log_retention_days = 2
  }

  expect_failures = [var.log_retention_days]
}

run "api_reserved_concurrency_has_a_least_value" {
  command = plan

  variables {
    api_reserved_concurrency = 0
  }

  expect_failures = [var.api_reserved_concurrency]
}

run "api_reserved_concurrency_is_a_whole_number" {
  command = plan

  variables {
    api_reserved_concurrency = 1.5
  }

  expect_failures = [var.api_reserved_concurrency]
}

run "consumer_reserved_concurrency_has_a_least_value" {
  command = plan

  variables {
    consumer_reserved_concurrency = 1
  }

  expect_failures = [var.consumer_reserved_concurrency]
}

run "consumer_reserved_concurrency_is_a_whole_number" {
  command = plan

  variables {
    consumer_reserved_concurrency = 2.5
  }

  expect_failures = [var.consumer_reserved_concurrency]
}

run "account_concurrency_limit_has_a_least_value" {
  command = plan

  variables {
    account_concurrency_limit = 9
  }

  expect_failures = [var.account_concurrency_limit]
}

run "account_concurrency_limit_is_a_whole_number" {
  command = plan

  variables {
    account_concurrency_limit = 10.5
  }

  expect_failures = [var.account_concurrency_limit]
}

run "api_canary_weight_has_a_least_value" {
  command = plan

  variables {
    api_canary_weight = -0.1
  }

  expect_failures = [var.api_canary_weight]
}

run "api_canary_weight_has_a_greatest_value" {
  command = plan

  variables {
    api_canary_weight = 1
  }

  expect_failures = [var.api_canary_weight]
}

run "queue_retention_seconds_has_a_least_value" {
  command = plan

  variables {
    queue_retention_seconds = 59
  }

  expect_failures = [var.queue_retention_seconds]
}

run "queue_retention_seconds_has_a_greatest_value" {
  command = plan

  variables {
    queue_retention_seconds = 1209601
  }

  expect_failures = [var.queue_retention_seconds]
}

run "queue_retention_seconds_is_a_whole_number" {
  command = plan

  variables {
    queue_retention_seconds = 86401.5
  }

  expect_failures = [var.queue_retention_seconds]
}

run "archive_retention_days_has_a_least_value" {
  command = plan

  variables {
    archive_retention_days = 1
  }

  expect_failures = [var.archive_retention_days]
}

run "archive_retention_days_has_a_greatest_value" {
  command = plan

  variables {
    archive_retention_days = 3654
  }

  expect_failures = [var.archive_retention_days]
}

run "archive_retention_days_is_a_whole_number" {
  command = plan

  variables {
    archive_retention_days = 2.5
  }

  expect_failures = [var.archive_retention_days]
}

run "point_in_time_recovery_days_has_a_least_value" {
  command = plan

  variables {
    point_in_time_recovery_days = 0
  }

  expect_failures = [var.point_in_time_recovery_days]
}

run "point_in_time_recovery_days_has_a_greatest_value" {
  command = plan

  variables {
    point_in_time_recovery_days = 36
  }

  expect_failures = [var.point_in_time_recovery_days]
}

run "point_in_time_recovery_days_is_a_whole_number" {
  command = plan

  variables {
    point_in_time_recovery_days = 1.5
  }

  expect_failures = [var.point_in_time_recovery_days]
}

run "integration_timeout_milliseconds_has_a_least_value" {
  command = plan

  variables {
    integration_timeout_milliseconds = 49
  }

  expect_failures = [var.integration_timeout_milliseconds]
}

run "integration_timeout_milliseconds_has_a_greatest_value" {
  command = plan

  variables {
    integration_timeout_milliseconds = 30001
  }

  expect_failures = [var.integration_timeout_milliseconds]
}

run "integration_timeout_milliseconds_is_a_whole_number" {
  command = plan

  variables {
    integration_timeout_milliseconds = 20000.5
  }

  expect_failures = [var.integration_timeout_milliseconds]
}

run "requests_per_second_has_a_least_value" {
  command = plan

  variables {
    requests_per_second = 0
  }

  expect_failures = [var.requests_per_second]
}

run "requests_per_second_has_a_greatest_value" {
  command = plan

  variables {
    requests_per_second = 10001
  }

  expect_failures = [var.requests_per_second]
}

run "request_burst_has_a_least_value" {
  command = plan

  variables {
    request_burst = 0
  }

  expect_failures = [var.request_burst]
}

run "request_burst_has_a_greatest_value" {
  command = plan

  variables {
    request_burst = 5001
  }

  expect_failures = [var.request_burst]
}

run "request_burst_is_a_whole_number" {
  command = plan

  variables {
    request_burst = 1.5
  }

  expect_failures = [var.request_burst]
}

run "iterator_age_alarm_seconds_has_a_least_value" {
  command = plan

  variables {
    iterator_age_alarm_seconds = 59
  }

  expect_failures = [var.iterator_age_alarm_seconds]
}

run "iterator_age_alarm_seconds_has_a_greatest_value" {
  command = plan

  variables {
    iterator_age_alarm_seconds = 43200
  }

  expect_failures = [var.iterator_age_alarm_seconds]
}

run "latency_alarm_milliseconds_has_a_least_value" {
  command = plan

  variables {
    latency_alarm_milliseconds = 49
  }

  expect_failures = [var.latency_alarm_milliseconds]
}

run "latency_alarm_milliseconds_has_a_greatest_value" {
  command = plan

  variables {
    latency_alarm_milliseconds = 10000
  }

  expect_failures = [var.latency_alarm_milliseconds]
}

run "conflict_alarm_count_has_a_least_value" {
  command = plan

  variables {
    conflict_alarm_count = 0
  }

  expect_failures = [var.conflict_alarm_count]
}

run "conflict_alarm_count_is_a_whole_number" {
  command = plan

  variables {
    conflict_alarm_count = 1.5
  }

  expect_failures = [var.conflict_alarm_count]
}

run "name_refuses_orders" {
  command = plan

  variables {
    name = "Orders"
  }

  expect_failures = [var.name]
}

run "name_refuses_o" {
  command = plan

  variables {
    name = "o"
  }

  expect_failures = [var.name]
}

run "name_refuses_orders_of_the_whole_company" {
  command = plan

  variables {
    name = "orders-of-the-whole-company"
  }

  expect_failures = [var.name]
}

run "name_refuses_orders" {
  command = plan

  variables {
    name = "-orders"
  }

  expect_failures = [var.name]
}

run "starting_position_refuses_latest" {
  command = plan

  variables {
    starting_position = "LATEST"
  }

  expect_failures = [var.starting_position]
}

run "starting_position_refuses_at_timestamp" {
  command = plan

  variables {
    starting_position = "AT_TIMESTAMP"
  }

  expect_failures = [var.starting_position]
}

run "bisect_batch_on_function_error_refuses_false" {
  command = plan

  variables {
    bisect_batch_on_function_error = false
  }

  expect_failures = [var.bisect_batch_on_function_error]
}

run "report_batch_item_failures_refuses_false" {
  command = plan

  variables {
    report_batch_item_failures = false
  }

  expect_failures = [var.report_batch_item_failures]
}

run "permissions_boundary_arn_refuses_boundary" {
  command = plan

  variables {
    permissions_boundary_arn = "boundary"
  }

  expect_failures = [var.permissions_boundary_arn]
}

run "api_package_refuses_dist_api" {
  command = plan

  variables {
    api_package = "../dist/api"
  }

  expect_failures = [var.api_package]
}

run "consumer_package_refuses_dist_consumer" {
  command = plan

  variables {
    consumer_package = "../dist/consumer"
  }

  expect_failures = [var.consumer_package]
}

run "architecture_refuses_riscv" {
  command = plan

  variables {
    architecture = "riscv"
  }

  expect_failures = [var.architecture]
}

run "log_level_refuses_loud" {
  command = plan

  variables {
    log_level = "loud"
  }

  expect_failures = [var.log_level]
}

run "log_level_refuses_warn" {
  command = plan

  variables {
    log_level = "warn"
  }

  expect_failures = [var.log_level]
}

run "api_pinned_version_refuses_latest" {
  command = plan

  variables {
    api_pinned_version = "$LATEST"
  }

  expect_failures = [var.api_pinned_version]
}

run "api_pinned_version_refuses_0" {
  command = plan

  variables {
    api_pinned_version = "0"
  }

  expect_failures = [var.api_pinned_version]
}

run "consumer_pinned_version_refuses_live" {
  command = plan

  variables {
    consumer_pinned_version = "live"
  }

  expect_failures = [var.consumer_pinned_version]
}

run "stream_mode_refuses_both" {
  command = plan

  variables {
    stream_mode = "BOTH"
  }

  expect_failures = [var.stream_mode]
}

run "discard_destination_refuses_sns" {
  command = plan

  variables {
    discard_destination = "sns"
  }

  expect_failures = [var.discard_destination]
}

run "front_door_refuses_alb" {
  command = plan

  variables {
    front_door = "alb"
  }

  expect_failures = [var.front_door]
}

run "caller_refuses_everyone" {
  command = plan

  variables {
    caller = "everyone"
  }

  expect_failures = [var.caller]
}

run "caller_refuses_jwt" {
  command = plan

  variables {
    caller = "jwt:"
  }

  expect_failures = [var.caller]
}

run "caller_refuses_lambda_user" {
  command = plan

  variables {
    caller = "lambda:user"
  }

  expect_failures = [var.caller]
}

run "jwt_issuer_refuses_http___issuer_example" {
  command = plan

  variables {
    jwt_issuer = "http://issuer.example"
  }

  expect_failures = [var.jwt_issuer]
}

run "jwt_audience_refuses_nothing" {
  command = plan

  variables {
    jwt_audience = [""]
  }

  expect_failures = [var.jwt_audience]
}

run "cors_allow_origins_refuses_shop_example" {
  command = plan

  variables {
    cors_allow_origins = ["shop.example"]
  }

  expect_failures = [var.cors_allow_origins]
}

run "cors_allow_origins_refuses_https___shop_example_path" {
  command = plan

  variables {
    cors_allow_origins = ["https://shop.example/path"]
  }

  expect_failures = [var.cors_allow_origins]
}

run "alarm_emails_refuses_nobody" {
  command = plan

  variables {
    alarm_emails = ["nobody"]
  }

  expect_failures = [var.alarm_emails]
}

run "runbook_url_refuses_nothing" {
  command = plan

  variables {
    runbook_url = ""
  }

  expect_failures = [var.runbook_url]
}

run "runbook_url_refuses_https___runbook_example_here" {
  command = plan

  variables {
    runbook_url = "https://runbook.example#here"
  }

  expect_failures = [var.runbook_url]
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

run "the_archive_outlasts_the_stream" {
  command = plan

  variables {
    discard_destination    = "s3"
    retention_hours        = 720
    archive_retention_days = 30
  }

  expect_failures = [var.discard_destination]
}

run "the_api_answers_before_the_gateway_gives_up" {
  command = plan

  variables {
    api_timeout_seconds              = 20
    integration_timeout_milliseconds = 20000
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

run "a_canary_needs_a_pinned_version" {
  command = plan

  variables {
    api_canary_weight = 0.1
  }

  expect_failures = [var.api_canary_weight]
}

run "tokens_need_an_issuer_and_an_audience" {
  command = plan

  variables {
    caller = "jwt:sub"
  }

  expect_failures = [var.caller]
}

run "a_function_url_checks_no_tokens" {
  command = plan

  variables {
    caller       = "jwt:sub"
    jwt_issuer   = "https://issuer.example"
    jwt_audience = ["orders"]
    front_door   = "function_url"
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
    consumer_timeout_seconds      = 900
    api_memory_mb                 = 10240
    consumer_memory_mb            = 10240
    consumer_max_in_flight        = 1000
    consumer_reserved_concurrency = 5000
    discard_destination           = "s3"
    archive_retention_days        = 3653
    requests_per_second           = 10000
    request_burst                 = 5000
  }
}
