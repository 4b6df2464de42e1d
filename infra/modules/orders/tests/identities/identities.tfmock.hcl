# An identity of its own for each resource, as AWS gives it. The mocks of tests/mocks give all
# resources of one type the same ARN, so with them a swapped role or alias would pass. Region and
# account are made up, and an identity has the name of its resource, so a failure can be read.

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
}

mock_data "aws_region" {
  defaults = { region = "eu-test-1" }
}

# These are made with for_each, or nothing refers to them.
mock_resource "aws_apigatewayv2_route" {
  defaults = { id = "route" }
}

mock_resource "aws_cloudwatch_metric_alarm" {
  defaults = { id = "alarm" }
}

override_resource {
  target = aws_lambda_function.api
  values = {
    id      = "function-api"
    arn     = "arn:aws:lambda:eu-test-1:123456789012:function:api"
    version = "11"
  }
}

override_resource {
  target = aws_lambda_alias.api
  values = {
    id         = "alias-api"
    arn        = "arn:aws:lambda:eu-test-1:123456789012:function:api:live"
    invoke_arn = "arn:aws:apigateway:eu-test-1:lambda:path/2015-03-31/functions/api:live/invocations"
  }
}

override_resource {
  target = aws_iam_role.api
  values = {
    id  = "role-api"
    arn = "arn:aws:iam::123456789012:role/api"
  }
}

override_resource {
  target = aws_iam_role_policy.api
  values = {
    id = "role-policy-api"
  }
}

override_resource {
  target = aws_lambda_function.reader
  values = {
    id      = "function-reader"
    arn     = "arn:aws:lambda:eu-test-1:123456789012:function:reader"
    version = "12"
  }
}

override_resource {
  target = aws_lambda_alias.reader
  values = {
    id         = "alias-reader"
    arn        = "arn:aws:lambda:eu-test-1:123456789012:function:reader:live"
    invoke_arn = "arn:aws:apigateway:eu-test-1:lambda:path/2015-03-31/functions/reader:live/invocations"
  }
}

override_resource {
  target = aws_iam_role.reader
  values = {
    id  = "role-reader"
    arn = "arn:aws:iam::123456789012:role/reader"
  }
}

override_resource {
  target = aws_iam_role_policy.reader
  values = {
    id = "role-policy-reader"
  }
}

override_resource {
  target = aws_lambda_function.consumer
  values = {
    id      = "function-consumer"
    arn     = "arn:aws:lambda:eu-test-1:123456789012:function:consumer"
    version = "13"
  }
}

override_resource {
  target = aws_lambda_alias.consumer
  values = {
    id         = "alias-consumer"
    arn        = "arn:aws:lambda:eu-test-1:123456789012:function:consumer:live"
    invoke_arn = "arn:aws:apigateway:eu-test-1:lambda:path/2015-03-31/functions/consumer:live/invocations"
  }
}

override_resource {
  target = aws_iam_role.consumer
  values = {
    id  = "role-consumer"
    arn = "arn:aws:iam::123456789012:role/consumer"
  }
}

override_resource {
  target = aws_iam_role_policy.consumer
  values = {
    id = "role-policy-consumer"
  }
}

override_resource {
  target = aws_lambda_function.notifier
  values = {
    id      = "function-notifier"
    arn     = "arn:aws:lambda:eu-test-1:123456789012:function:notifier"
    version = "14"
  }
}

override_resource {
  target = aws_lambda_alias.notifier
  values = {
    id         = "alias-notifier"
    arn        = "arn:aws:lambda:eu-test-1:123456789012:function:notifier:live"
    invoke_arn = "arn:aws:apigateway:eu-test-1:lambda:path/2015-03-31/functions/notifier:live/invocations"
  }
}

override_resource {
  target = aws_iam_role.notifier
  values = {
    id  = "role-notifier"
    arn = "arn:aws:iam::123456789012:role/notifier"
  }
}

override_resource {
  target = aws_iam_role_policy.notifier
  values = {
    id = "role-policy-notifier"
  }
}

override_resource {
  target = aws_iam_role.operator
  values = {
    id  = "role-operator"
    arn = "arn:aws:iam::123456789012:role/operator"
  }
}

override_resource {
  target = aws_iam_policy.announce
  values = {
    id  = "policy-announce"
    arn = "arn:aws:iam::123456789012:policy/announce"
  }
}

override_resource {
  target = aws_iam_policy.operator
  values = {
    id  = "policy-operator"
    arn = "arn:aws:iam::123456789012:policy/operator"
  }
}

override_resource {
  target = aws_cloudwatch_log_group.api
  values = {
    id  = "log-group-api"
    arn = "arn:aws:logs:eu-test-1:123456789012:log-group:api"
  }
}

override_resource {
  target = aws_cloudwatch_log_group.reader
  values = {
    id  = "log-group-reader"
    arn = "arn:aws:logs:eu-test-1:123456789012:log-group:reader"
  }
}

override_resource {
  target = aws_cloudwatch_log_group.consumer
  values = {
    id  = "log-group-consumer"
    arn = "arn:aws:logs:eu-test-1:123456789012:log-group:consumer"
  }
}

override_resource {
  target = aws_cloudwatch_log_group.notifier
  values = {
    id  = "log-group-notifier"
    arn = "arn:aws:logs:eu-test-1:123456789012:log-group:notifier"
  }
}

override_resource {
  target = aws_cloudwatch_log_group.access
  values = {
    id  = "log-group-access"
    arn = "arn:aws:logs:eu-test-1:123456789012:log-group:access"
  }
}

override_resource {
  target = aws_kms_key.orders
  values = {
    id     = "key"
    arn    = "arn:aws:kms:eu-test-1:123456789012:key/key"
    key_id = "key"
  }
}

override_resource {
  target = aws_kinesis_stream.intents
  values = {
    id  = "stream-intents"
    arn = "arn:aws:kinesis:eu-test-1:123456789012:stream/intents"
  }
}

override_resource {
  target = aws_kinesis_stream.facts
  values = {
    id  = "stream-facts"
    arn = "arn:aws:kinesis:eu-test-1:123456789012:stream/facts"
  }
}

override_resource {
  target = aws_kinesis_stream_consumer.fan_out
  values = {
    id  = "fan-out"
    arn = "arn:aws:kinesis:eu-test-1:123456789012:stream/intents/consumer/fan-out:1"
  }
}

override_resource {
  target = aws_dynamodb_table.orders
  values = {
    id         = "table-orders"
    arn        = "arn:aws:dynamodb:eu-test-1:123456789012:table/orders"
    stream_arn = "arn:aws:dynamodb:eu-test-1:123456789012:table/orders/stream/1"
  }
}

override_resource {
  target = aws_dynamodb_table.announcements
  values = {
    id         = "table-announcements"
    arn        = "arn:aws:dynamodb:eu-test-1:123456789012:table/announcements"
    stream_arn = "arn:aws:dynamodb:eu-test-1:123456789012:table/announcements/stream/1"
  }
}

override_resource {
  target = aws_dynamodb_table.guard
  values = {
    id         = "table-guard"
    arn        = "arn:aws:dynamodb:eu-test-1:123456789012:table/guard"
    stream_arn = "arn:aws:dynamodb:eu-test-1:123456789012:table/guard/stream/1"
  }
}

override_resource {
  target = aws_sqs_queue.discarded
  values = {
    id  = "https://sqs.example/discarded"
    arn = "arn:aws:sqs:eu-test-1:123456789012:discarded"
    url = "https://sqs.example/discarded"
  }
}

override_resource {
  target = aws_sqs_queue.changes_discarded
  values = {
    id  = "https://sqs.example/changes_discarded"
    arn = "arn:aws:sqs:eu-test-1:123456789012:changes_discarded"
    url = "https://sqs.example/changes_discarded"
  }
}

override_resource {
  target = aws_s3_bucket.discarded
  values = {
    id  = "bucket-discarded"
    arn = "arn:aws:s3:::bucket-discarded"
  }
}

override_resource {
  target = aws_sns_topic.alarms["page"]
  values = {
    id  = "topic-page"
    arn = "arn:aws:sns:eu-test-1:123456789012:page"
  }
}

override_resource {
  target = aws_sns_topic.alarms["ticket"]
  values = {
    id  = "topic-ticket"
    arn = "arn:aws:sns:eu-test-1:123456789012:ticket"
  }
}

override_resource {
  target = aws_lambda_event_source_mapping.consumer
  values = {
    id   = "mapping-consumer"
    uuid = "00000000-0000-4000-8000-00000000000c"
  }
}

override_resource {
  target = aws_lambda_event_source_mapping.notifier
  values = {
    id   = "mapping-notifier"
    uuid = "00000000-0000-4000-8000-00000000000d"
  }
}

override_resource {
  target = aws_lambda_function_url.api
  values = {
    id           = "function-url"
    function_url = "https://u.lambda-url.eu-test-1.on.aws/"
  }
}

override_resource {
  target = aws_apigatewayv2_api.orders
  values = {
    id            = "gateway"
    api_endpoint  = "https://gateway.execute-api.eu-test-1.amazonaws.com"
    execution_arn = "arn:aws:execute-api:eu-test-1:123456789012:gateway"
  }
}

override_resource {
  target = aws_apigatewayv2_integration.api
  values = {
    id = "integration-api"
  }
}

override_resource {
  target = aws_apigatewayv2_integration.closed
  values = {
    id = "integration-closed"
  }
}

override_resource {
  target = aws_apigatewayv2_integration.reader
  values = {
    id = "integration-reader"
  }
}

override_resource {
  target = aws_apigatewayv2_authorizer.jwt
  values = {
    id = "authorizer"
  }
}
