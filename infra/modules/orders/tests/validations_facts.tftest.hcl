# Each validation of the facts' variables refuses its bad values, and takes the last good ones.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "what_is_below_a_range_of_the_facts_is_refused" {
  command = plan

  variables {
    facts_shard_count                   = 0
    facts_retention_hours               = 23
    notifier_batch_size                 = 0
    notifier_batching_window_seconds    = -1
    notifier_parallelization_factor     = 0
    notifier_maximum_retry_attempts     = -1
    notifier_maximum_record_age_seconds = 59
    notifier_timeout_seconds            = 5
    notifier_memory_mb                  = 127
    subscriber_batch_size               = 0
    subscriber_batching_window_seconds  = -1
    subscriber_parallelization_factor   = 0
    subscriber_maximum_retry_attempts   = -1
    subscriber_timeout_seconds          = 4
    subscriber_memory_mb                = 127
  }

  expect_failures = [
    var.facts_shard_count, var.facts_retention_hours, var.notifier_batch_size,
    var.notifier_batching_window_seconds, var.notifier_parallelization_factor,
    var.notifier_maximum_retry_attempts, var.notifier_maximum_record_age_seconds,
    var.notifier_timeout_seconds, var.notifier_memory_mb, var.subscriber_batch_size,
    var.subscriber_batching_window_seconds, var.subscriber_parallelization_factor,
    var.subscriber_maximum_retry_attempts,
    var.subscriber_timeout_seconds, var.subscriber_memory_mb,
  ]
}

run "what_is_above_a_range_of_the_facts_is_refused" {
  command = plan

  variables {
    facts_shard_count                   = 501
    facts_retention_hours               = 8761
    notifier_batch_size                 = 10001
    notifier_batching_window_seconds    = 301
    notifier_parallelization_factor     = 11
    notifier_maximum_retry_attempts     = 10001
    notifier_maximum_record_age_seconds = 82801
    notifier_timeout_seconds            = 901
    notifier_memory_mb                  = 10241
    subscriber_batch_size               = 10001
    subscriber_batching_window_seconds  = 301
    subscriber_parallelization_factor   = 11
    subscriber_maximum_retry_attempts   = 10001
    subscriber_timeout_seconds          = 901
    subscriber_memory_mb                = 10241
  }

  expect_failures = [
    var.facts_shard_count, var.facts_retention_hours, var.notifier_batch_size,
    var.notifier_batching_window_seconds, var.notifier_parallelization_factor,
    var.notifier_maximum_retry_attempts, var.notifier_maximum_record_age_seconds,
    var.notifier_timeout_seconds, var.notifier_memory_mb, var.subscriber_batch_size,
    var.subscriber_batching_window_seconds, var.subscriber_parallelization_factor,
    var.subscriber_maximum_retry_attempts,
    var.subscriber_timeout_seconds, var.subscriber_memory_mb,
  ]
}

run "what_lies_between_two_whole_numbers_of_the_facts_is_refused" {
  command = plan

  variables {
    facts_shard_count                   = 1.5
    facts_retention_hours               = 24.5
    notifier_batch_size                 = 1.5
    notifier_batching_window_seconds    = 0.5
    notifier_parallelization_factor     = 1.5
    notifier_maximum_retry_attempts     = 0.5
    notifier_maximum_record_age_seconds = 3600.5
    notifier_timeout_seconds            = 6.5
    notifier_memory_mb                  = 128.5
    subscriber_batch_size               = 1.5
    subscriber_batching_window_seconds  = 0.5
    subscriber_parallelization_factor   = 1.5
    subscriber_maximum_retry_attempts   = 0.5
    subscriber_timeout_seconds          = 5.5
    subscriber_memory_mb                = 128.5
  }

  expect_failures = [
    var.facts_shard_count, var.facts_retention_hours, var.notifier_batch_size,
    var.notifier_batching_window_seconds, var.notifier_parallelization_factor,
    var.notifier_maximum_retry_attempts, var.notifier_maximum_record_age_seconds,
    var.notifier_timeout_seconds, var.notifier_memory_mb, var.subscriber_batch_size,
    var.subscriber_batching_window_seconds, var.subscriber_parallelization_factor,
    var.subscriber_maximum_retry_attempts,
    var.subscriber_timeout_seconds, var.subscriber_memory_mb,
  ]
}

run "a_record_age_of_a_fact_below_a_minute_is_refused" {
  command = plan

  variables {
    subscriber_maximum_record_age_seconds = 59
  }

  expect_failures = [var.subscriber_maximum_record_age_seconds]
}

run "a_record_age_of_a_fact_above_a_week_is_refused" {
  command = plan

  variables {
    subscriber_maximum_record_age_seconds = 604801
    facts_retention_hours                 = 200
  }

  expect_failures = [var.subscriber_maximum_record_age_seconds]
}

run "a_record_age_of_a_fact_is_a_whole_number" {
  command = plan

  variables {
    subscriber_maximum_record_age_seconds = 3600.5
  }

  expect_failures = [var.subscriber_maximum_record_age_seconds]
}

run "what_aws_would_take_and_the_facts_would_break_by_is_refused" {
  command = plan

  variables {
    notifier_starting_position                = "LATEST"
    notifier_bisect_batch_on_function_error   = false
    notifier_report_batch_item_failures       = false
    subscriber_starting_position              = "LATEST"
    subscriber_bisect_batch_on_function_error = false
    subscriber_report_batch_item_failures     = false
  }

  expect_failures = [
    var.notifier_starting_position, var.notifier_bisect_batch_on_function_error,
    var.notifier_report_batch_item_failures, var.subscriber_starting_position,
    var.subscriber_bisect_batch_on_function_error, var.subscriber_report_batch_item_failures,
  ]
}

run "a_change_without_a_record_age_would_expire_without_a_report" {
  command = plan

  variables {
    notifier_maximum_record_age_seconds = -1
  }

  expect_failures = [
    var.notifier_maximum_record_age_seconds,
  ]
}

run "words_of_the_facts_that_aws_does_not_know_are_refused" {
  command = plan

  variables {
    facts_stream_mode            = "BOTH"
    notifier_package             = "../dist/notifier"
    notifier_pinned_version      = "live"
    notifier_starting_position   = "AT_TIMESTAMP"
    subscriber_starting_position = "AT_TIMESTAMP"
  }

  expect_failures = [
    var.facts_stream_mode, var.notifier_package, var.notifier_pinned_version,
    var.notifier_starting_position, var.subscriber_starting_position,
  ]
}

run "a_record_age_of_a_fact_ends_before_the_stream_forgets" {
  command = plan

  variables {
    subscriber_maximum_record_age_seconds = 86400
  }

  expect_failures = [
    var.subscriber_maximum_record_age_seconds,
  ]
}

run "retries_that_outlast_the_age_of_a_change_promise_nothing" {
  command = plan

  variables {
    notifier_maximum_retry_attempts     = 20
    notifier_maximum_record_age_seconds = 619
  }

  expect_failures = [output.facts_outage_budget_seconds]
}

run "retries_are_not_asked_of_a_notifier_that_does_not_exist" {
  command = plan

  variables {
    facts                               = false
    notifier_maximum_retry_attempts     = 20
    notifier_maximum_record_age_seconds = 619
  }
}

run "a_reservation_covers_a_shard_of_the_change_stream" {
  command = plan

  variables {
    notifier_reserved_concurrency = 9
  }

  expect_failures = [
    var.notifier_reserved_concurrency,
  ]
}

run "executions_of_the_notifier_are_reserved_whole" {
  command = plan

  variables {
    notifier_reserved_concurrency = 10.5
  }

  expect_failures = [
    var.notifier_reserved_concurrency,
  ]
}

run "the_notifiers_reservation_counts_for_the_account_too" {
  command = plan

  variables {
    api_reserved_concurrency      = 880
    notifier_reserved_concurrency = 21
  }

  expect_failures = [
    var.account_concurrency_limit,
  ]
}

run "the_reservation_of_a_notifier_that_does_not_exist_counts_for_nothing" {
  command = plan

  variables {
    facts                         = false
    api_reserved_concurrency      = 880
    notifier_reserved_concurrency = 21
  }
}

run "the_least_values_of_the_facts_are_accepted" {
  command = plan

  variables {
    facts_shard_count                     = 1
    facts_retention_hours                 = 24
    notifier_batch_size                   = 1
    notifier_batching_window_seconds      = 0
    notifier_parallelization_factor       = 1
    notifier_maximum_retry_attempts       = 0
    notifier_maximum_record_age_seconds   = 60
    notifier_timeout_seconds              = 6
    notifier_memory_mb                    = 128
    subscriber_batch_size                 = 1
    subscriber_batching_window_seconds    = 0
    subscriber_parallelization_factor     = 1
    subscriber_maximum_retry_attempts     = 0
    subscriber_maximum_record_age_seconds = 60
    subscriber_timeout_seconds            = 5
    subscriber_memory_mb                  = 128
    notifier_reserved_concurrency         = 1
  }
}

# With the longest timeout, 91 tries of a change end before its greatest age.
run "the_greatest_values_of_the_facts_are_accepted" {
  command = plan

  variables {
    facts_shard_count                     = 500
    facts_retention_hours                 = 8760
    notifier_batch_size                   = 10000
    notifier_batching_window_seconds      = 300
    notifier_parallelization_factor       = 10
    notifier_maximum_retry_attempts       = 90
    notifier_maximum_record_age_seconds   = 82800
    notifier_timeout_seconds              = 900
    notifier_memory_mb                    = 10240
    subscriber_batch_size                 = 10000
    subscriber_batching_window_seconds    = 300
    subscriber_parallelization_factor     = 10
    subscriber_maximum_retry_attempts     = 10000
    subscriber_maximum_record_age_seconds = 604800
    subscriber_timeout_seconds            = 900
    subscriber_memory_mb                  = 10240
  }
}

run "the_most_retries_are_accepted_with_a_short_timeout" {
  command = plan

  variables {
    notifier_maximum_retry_attempts     = 10000
    notifier_timeout_seconds            = 8
    notifier_maximum_record_age_seconds = 82800
  }
}
