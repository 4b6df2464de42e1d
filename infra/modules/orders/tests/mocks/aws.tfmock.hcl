# AWS's answers, as far as other resources are made of them. Region and account are made up.

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
}

mock_data "aws_region" {
  defaults = { region = "eu-test-1" }
}

mock_resource "aws_kms_key" {
  defaults = { arn = "arn:aws:kms:eu-test-1:123456789012:key/k", key_id = "k" }
}

mock_resource "aws_kinesis_stream" {
  defaults = { arn = "arn:aws:kinesis:eu-test-1:123456789012:stream/intents" }
}

mock_resource "aws_kinesis_stream_consumer" {
  defaults = { arn = "arn:aws:kinesis:eu-test-1:123456789012:stream/intents/consumer/c:1" }
}

mock_resource "aws_dynamodb_table" {
  defaults = {
    arn        = "arn:aws:dynamodb:eu-test-1:123456789012:table/orders"
    stream_arn = "arn:aws:dynamodb:eu-test-1:123456789012:table/orders/stream/1"
  }
}

mock_resource "aws_sqs_queue" {
  defaults = {
    arn = "arn:aws:sqs:eu-test-1:123456789012:discarded"
    url = "https://sqs.eu-test-1.amazonaws.com/123456789012/discarded"
  }
}

mock_resource "aws_s3_bucket" {
  defaults = { arn = "arn:aws:s3:::discarded" }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:eu-test-1:123456789012:alarms" }
}

mock_resource "aws_lambda_function" {
  defaults = {
    arn     = "arn:aws:lambda:eu-test-1:123456789012:function:f"
    version = "7"
  }
}

mock_resource "aws_lambda_alias" {
  defaults = {
    arn        = "arn:aws:lambda:eu-test-1:123456789012:function:f:live"
    invoke_arn = "arn:aws:apigateway:eu-test-1:lambda:path/2015-03-31/functions/f:live/invocations"
  }
}

mock_resource "aws_lambda_event_source_mapping" {
  defaults = { uuid = "00000000-0000-4000-8000-000000000000" }
}

mock_resource "aws_lambda_function_url" {
  defaults = { function_url = "https://u.lambda-url.eu-test-1.on.aws/" }
}

mock_resource "aws_apigatewayv2_api" {
  defaults = {
    id            = "api"
    api_endpoint  = "https://api.execute-api.eu-test-1.amazonaws.com"
    execution_arn = "arn:aws:execute-api:eu-test-1:123456789012:api"
  }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:eu-test-1:123456789012:log-group:g" }
}
