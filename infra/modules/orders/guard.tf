# The guard, which makes a destroy of a protected deployment fail before anything is destroyed.
# Without it the table refuses last, when the service is down already.
#
# Terraform destroys a resource before the resources that it depends on, and the guard depends on
# all others. AWS refuses to delete a protected table. The lifecycle rule prevent_destroy takes no
# variable, so a resource has to refuse. The guard has no rows and costs nothing.

resource "aws_dynamodb_table" "guard" {
  #checkov:skip=CKV_AWS_28:The table has no rows to restore
  name                        = "${var.name}-guard"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "nothing"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "nothing"
    type = "S"
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = local.key_arn
  }

  # These are the resources on which no other depends. A test compares the graph.
  depends_on = [
    aws_apigatewayv2_route.elsewhere,
    aws_apigatewayv2_route.orders,
    aws_apigatewayv2_api_mapping.orders,
    aws_route53_record.orders,
    aws_lambda_provisioned_concurrency_config.api,
    aws_cloudwatch_log_metric_filter.batch,
    aws_cloudwatch_log_metric_filter.facts,
    aws_cloudwatch_log_metric_filter.gateway,
    aws_cloudwatch_log_metric_filter.publish,
    aws_cloudwatch_log_metric_filter.put,
    aws_cloudwatch_composite_alarm.orders,
    aws_iam_policy.announce,
    aws_iam_role_policies_exclusive.functions,
    aws_iam_role_policy_attachment.operator,
    aws_cloudwatch_query_definition.runbook,
    aws_kms_alias.orders,
    aws_lambda_function_url.api,
    aws_lambda_permission.function_url,
    aws_lambda_permission.function_url_invoke,
    aws_lambda_permission.http_api,
    aws_sns_topic_policy.alarms,
    aws_sns_topic_subscription.email,
    aws_sqs_queue_policy.changes_discarded,
    aws_sqs_queue_policy.discarded,
  ]
}
