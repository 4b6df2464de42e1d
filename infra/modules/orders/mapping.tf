# Lambda's poller between stream and consumer. Every setting but the stop switch is the pipeline's
# (pipeline.tf).

resource "aws_lambda_event_source_mapping" "consumer" {
  event_source_arn = var.enhanced_fan_out ? aws_kinesis_stream_consumer.fan_out[0].arn : aws_kinesis_stream.intents.arn
  function_name    = aws_lambda_alias.consumer.arn
  enabled          = var.consumer_enabled

  starting_position                  = var.starting_position
  batch_size                         = var.batch_size
  maximum_batching_window_in_seconds = var.batching_window_seconds
  parallelization_factor             = var.parallelization_factor
  maximum_retry_attempts             = var.maximum_retry_attempts
  maximum_record_age_in_seconds      = var.maximum_record_age_seconds
  bisect_batch_on_function_error     = var.bisect_batch_on_function_error
  function_response_types            = var.report_batch_item_failures ? ["ReportBatchItemFailures"] : []

  destination_config {
    on_failure {
      destination_arn = local.discard_destination_arn
    }
  }

  # These metrics are off unless asked for. Without them nobody is told of dropped records.
  metrics_config {
    metrics = ["EventCount"]
  }

  # Lambda refuses a mapping whose role cannot read the stream. No discard may reach the archive
  # before it is encrypted and closed.
  depends_on = [
    aws_iam_role_policy.consumer,
    aws_s3_bucket_server_side_encryption_configuration.discarded,
    aws_s3_bucket_public_access_block.discarded,
    aws_s3_bucket_ownership_controls.discarded,
    aws_s3_bucket_lifecycle_configuration.discarded,
    aws_s3_bucket_policy.discarded,
  ]
}
