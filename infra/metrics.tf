# The service's own metrics, which are made from the lines that the functions log
# (crates/consumer/src/outcomes.rs and crates/api/src/lib.rs). A test runs a stack and checks that
# the lines have these fields (tests/tests/infra).

locals {
  # The consumer logs one line a batch, which has a count for each of these outcomes.
  batch_metrics = {
    Applied           = "applied"
    AlreadyApplied    = "already_applied"
    Duplicate         = "duplicate"
    ConflictRecorded  = "conflict_recorded"
    ConflictTruncated = "conflict_truncated"
    Refused           = "refused"
    Rejected          = "rejected"
    Unfinished        = "unfinished"
  }

  # The api logs one line for each put that was not acknowledged, with its reason.
  put_metrics = {
    PutNotAccepted    = "not_accepted"
    PutOutcomeUnknown = "outcome_unknown"
  }

  metric_namespace = "Orders/${var.name}"
}

resource "aws_cloudwatch_log_metric_filter" "batch" {
  for_each = local.batch_metrics

  name           = "${var.name}-${each.value}"
  log_group_name = aws_cloudwatch_log_group.consumer.name
  pattern        = "{ ($.message = \"batch\") && ($.${each.value} >= 0) }"

  metric_transformation {
    namespace = local.metric_namespace
    name      = each.key
    value     = "$.${each.value}"
    unit      = "Count"
  }
}

resource "aws_cloudwatch_log_metric_filter" "put" {
  for_each = local.put_metrics

  name           = "${var.name}-put-${each.value}"
  log_group_name = aws_cloudwatch_log_group.api.name
  pattern        = "{ ($.message = \"the stream did not acknowledge an intent\") && ($.reason = \"${each.value}\") }"

  metric_transformation {
    namespace = local.metric_namespace
    name      = each.key
    value     = "1"
    unit      = "Count"
  }
}
