# Deployments that were made before modules/orders keep their resources under the new addresses.

moved {
  from = aws_sns_topic.alarms
  to   = module.orders.aws_sns_topic.alarms
}

moved {
  from = aws_sns_topic_policy.alarms
  to   = module.orders.aws_sns_topic_policy.alarms
}

moved {
  from = aws_sns_topic_subscription.email
  to   = module.orders.aws_sns_topic_subscription.email
}

moved {
  from = aws_cloudwatch_metric_alarm.orders
  to   = module.orders.aws_cloudwatch_metric_alarm.orders
}

moved {
  from = aws_dynamodb_table.announcements
  to   = module.orders.aws_dynamodb_table.announcements
}

moved {
  from = aws_iam_policy.announce
  to   = module.orders.aws_iam_policy.announce
}

moved {
  from = aws_cloudwatch_dashboard.pipeline
  to   = module.orders.aws_cloudwatch_dashboard.pipeline
}

moved {
  from = aws_sqs_queue.discarded
  to   = module.orders.aws_sqs_queue.discarded
}

moved {
  from = aws_sqs_queue_policy.discarded
  to   = module.orders.aws_sqs_queue_policy.discarded
}

moved {
  from = aws_s3_bucket.discarded
  to   = module.orders.aws_s3_bucket.discarded
}

moved {
  from = aws_s3_bucket_public_access_block.discarded
  to   = module.orders.aws_s3_bucket_public_access_block.discarded
}

moved {
  from = aws_s3_bucket_ownership_controls.discarded
  to   = module.orders.aws_s3_bucket_ownership_controls.discarded
}

moved {
  from = aws_s3_bucket_server_side_encryption_configuration.discarded
  to   = module.orders.aws_s3_bucket_server_side_encryption_configuration.discarded
}

moved {
  from = aws_s3_bucket_lifecycle_configuration.discarded
  to   = module.orders.aws_s3_bucket_lifecycle_configuration.discarded
}

moved {
  from = aws_s3_bucket_policy.discarded
  to   = module.orders.aws_s3_bucket_policy.discarded
}

moved {
  from = aws_kinesis_stream.facts
  to   = module.orders.aws_kinesis_stream.facts
}

moved {
  from = aws_lambda_function_url.api
  to   = module.orders.aws_lambda_function_url.api
}

moved {
  from = aws_lambda_permission.function_url
  to   = module.orders.aws_lambda_permission.function_url
}

moved {
  from = aws_lambda_permission.function_url_invoke
  to   = module.orders.aws_lambda_permission.function_url_invoke
}

moved {
  from = aws_cloudwatch_log_group.api
  to   = module.orders.aws_cloudwatch_log_group.api
}

moved {
  from = aws_cloudwatch_log_group.consumer
  to   = module.orders.aws_cloudwatch_log_group.consumer
}

moved {
  from = aws_lambda_function.api
  to   = module.orders.aws_lambda_function.api
}

moved {
  from = aws_lambda_function.consumer
  to   = module.orders.aws_lambda_function.consumer
}

moved {
  from = aws_lambda_alias.consumer
  to   = module.orders.aws_lambda_alias.consumer
}

moved {
  from = aws_lambda_alias.api
  to   = module.orders.aws_lambda_alias.api
}

moved {
  from = aws_apigatewayv2_api.orders
  to   = module.orders.aws_apigatewayv2_api.orders
}

moved {
  from = aws_apigatewayv2_integration.api
  to   = module.orders.aws_apigatewayv2_integration.api
}

moved {
  from = aws_apigatewayv2_authorizer.jwt
  to   = module.orders.aws_apigatewayv2_authorizer.jwt
}

moved {
  from = aws_apigatewayv2_route.orders
  to   = module.orders.aws_apigatewayv2_route.orders
}

moved {
  from = aws_apigatewayv2_route.elsewhere
  to   = module.orders.aws_apigatewayv2_route.elsewhere
}

moved {
  from = aws_cloudwatch_log_group.access
  to   = module.orders.aws_cloudwatch_log_group.access
}

moved {
  from = aws_apigatewayv2_stage.default
  to   = module.orders.aws_apigatewayv2_stage.default
}

moved {
  from = aws_lambda_permission.http_api
  to   = module.orders.aws_lambda_permission.http_api
}

moved {
  from = aws_kms_key.orders
  to   = module.orders.aws_kms_key.orders
}

moved {
  from = aws_kms_alias.orders
  to   = module.orders.aws_kms_alias.orders
}

moved {
  from = aws_lambda_event_source_mapping.consumer
  to   = module.orders.aws_lambda_event_source_mapping.consumer
}

moved {
  from = aws_cloudwatch_log_metric_filter.batch
  to   = module.orders.aws_cloudwatch_log_metric_filter.batch
}

moved {
  from = aws_cloudwatch_log_metric_filter.put
  to   = module.orders.aws_cloudwatch_log_metric_filter.put
}

moved {
  from = aws_cloudwatch_log_metric_filter.facts
  to   = module.orders.aws_cloudwatch_log_metric_filter.facts
}

moved {
  from = aws_cloudwatch_log_metric_filter.publish
  to   = module.orders.aws_cloudwatch_log_metric_filter.publish
}

moved {
  from = aws_cloudwatch_log_group.notifier
  to   = module.orders.aws_cloudwatch_log_group.notifier
}

moved {
  from = aws_lambda_function.notifier
  to   = module.orders.aws_lambda_function.notifier
}

moved {
  from = aws_lambda_alias.notifier
  to   = module.orders.aws_lambda_alias.notifier
}

moved {
  from = aws_lambda_event_source_mapping.notifier
  to   = module.orders.aws_lambda_event_source_mapping.notifier
}

moved {
  from = aws_sqs_queue.changes_discarded
  to   = module.orders.aws_sqs_queue.changes_discarded
}

moved {
  from = aws_sqs_queue_policy.changes_discarded
  to   = module.orders.aws_sqs_queue_policy.changes_discarded
}

moved {
  from = aws_iam_role.notifier
  to   = module.orders.aws_iam_role.notifier
}

moved {
  from = aws_iam_role_policy.notifier
  to   = module.orders.aws_iam_role_policy.notifier
}

moved {
  from = aws_iam_role.api
  to   = module.orders.aws_iam_role.api
}

moved {
  from = aws_iam_role_policy.api
  to   = module.orders.aws_iam_role_policy.api
}

moved {
  from = aws_iam_role.consumer
  to   = module.orders.aws_iam_role.consumer
}

moved {
  from = aws_iam_role_policy.consumer
  to   = module.orders.aws_iam_role_policy.consumer
}

moved {
  from = aws_kinesis_stream.intents
  to   = module.orders.aws_kinesis_stream.intents
}

moved {
  from = aws_kinesis_stream_consumer.fan_out
  to   = module.orders.aws_kinesis_stream_consumer.fan_out
}

moved {
  from = aws_dynamodb_table.orders
  to   = module.orders.aws_dynamodb_table.orders
}
