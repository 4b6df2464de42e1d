# The service's own metrics, which are made from the lines that the functions log
# (crates/consumer/src/outcomes.rs, crates/api/src/lib.rs and crates/notifier/src/published.rs).
# Tests run the functions' code and check that the lines have these fields (tests/tests/infra).

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

  # The notifier logs one line a batch too. The first four counts are of facts, and the others of
  # changes.
  facts_metrics = {
    FactsCreated      = "created"
    FactsCancelled    = "cancelled"
    FactsConflicted   = "conflicted"
    FactsErased       = "erased"
    ChangesRejected   = "rejected"
    ChangesUnfinished = "unfinished"
  }

  # The notifier logs a further line for a batch in which puts failed, and another for marks that
  # failed, also if they were done later. A line's level is ERROR if an error in it does not pass by
  # itself.
  publish_metrics = {
    PublishFailures       = ""
    PublishFailuresToMend = " && ($.level = \"ERROR\")"
  }

  # The access log has a line for each request. Each value is in quotes, so it is a string for a
  # filter, also where it is a number. A value that is absent is "-". The integration's status is
  # what the function answered with, so it is absent if the gateway answered by itself.
  gateway_metrics = {
    GatewayThrottled = "($.status = \"429\")"
    GatewayRefused   = "(($.status = \"401\") || ($.status = \"403\"))"
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

resource "aws_cloudwatch_log_metric_filter" "facts" {
  for_each = { for name, field in local.facts_metrics : name => field if var.facts }

  name           = "${var.name}-facts-${each.value}"
  log_group_name = aws_cloudwatch_log_group.notifier[0].name
  pattern        = "{ ($.message = \"batch\") && ($.${each.value} >= 0) }"

  metric_transformation {
    namespace = local.metric_namespace
    name      = each.key
    value     = "$.${each.value}"
    unit      = "Count"
  }
}

resource "aws_cloudwatch_log_metric_filter" "publish" {
  for_each = { for name, condition in local.publish_metrics : name => condition if var.facts }

  name           = "${var.name}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.notifier[0].name
  pattern        = "{ ($.message = \"attempts failed\")${each.value} }"

  metric_transformation {
    namespace = local.metric_namespace
    name      = each.key
    value     = "1"
    unit      = "Count"
  }
}

resource "aws_cloudwatch_log_metric_filter" "gateway" {
  for_each = { for name, condition in local.gateway_metrics : name => condition if local.http_api }

  name           = "${var.name}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.access[0].name
  pattern        = "{ ${each.value} && ($.integration_status = \"-\") }"

  metric_transformation {
    namespace = local.metric_namespace
    name      = each.key
    value     = "1"
    unit      = "Count"
  }
}
