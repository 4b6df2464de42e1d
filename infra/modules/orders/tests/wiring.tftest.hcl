# The edges between resources. Each resource has an identity of its own here (identities), so an
# edge to the wrong resource fails. tests/golden/ has all other attributes.

mock_provider "aws" {
  source = "./tests/identities"
}

variables {
  api_package      = "tests/packages/api.zip"
  consumer_package = "tests/packages/consumer.zip"
  notifier_package = "tests/packages/notifier.zip"
  alarm_emails     = ["pager@example.com"]
  ticket_emails    = ["tickets@example.com"]
}

run "every_edge_leads_where_it_should" {
  assert {
    condition = { for name, function in { api = aws_lambda_function.api, reader = aws_lambda_function.reader[0], consumer = aws_lambda_function.consumer, notifier = aws_lambda_function.notifier[0] } : name => {
      name                                = function.function_name, role = function.role, package = function.filename, hash = function.source_code_hash, handler = function.handler, runtime = function.runtime, log = one(function.logging_config).log_group
      } } == { for name, package in { api = "api", reader = "api", consumer = "consumer", notifier = "notifier" } : name => {
      name                                = "orders-${name}", role = "arn:aws:iam::123456789012:role/${name}", package = "tests/packages/${package}.zip", hash = filebase64sha256("tests/packages/${package}.zip"), handler = "bootstrap", runtime = "provided.al2023", log = "/aws/lambda/orders-${name}"
    } }
    error_message = "Each function must have its own role, package and log."
  }

  assert {
    condition     = aws_lambda_function.api.environment[0].variables == tomap({ SERVES = "writes", STREAM_NAME = "orders-intents", CALLER = "none", BASE_PATH = "/", LOG_LEVEL = "info" })
    error_message = "The api's environment is ${jsonencode(aws_lambda_function.api.environment[0].variables)}."
  }

  assert {
    condition     = aws_lambda_function.reader[0].environment[0].variables == tomap({ SERVES = "reads", TABLE_NAME = "orders", CALLER = "none", BASE_PATH = "/", MAX_WAIT_SECONDS = "5", LOG_LEVEL = "info" })
    error_message = "The reader's environment is ${jsonencode(aws_lambda_function.reader[0].environment[0].variables)}."
  }

  assert {
    condition     = aws_lambda_function.consumer.environment[0].variables == tomap({ TABLE_NAME = "orders", MAX_IN_FLIGHT = "32", LOG_LEVEL = "info" })
    error_message = "The consumer's environment is ${jsonencode(aws_lambda_function.consumer.environment[0].variables)}."
  }

  assert {
    condition     = aws_lambda_function.notifier[0].environment[0].variables == tomap({ FACTS_STREAM_NAME = "orders-facts", ANNOUNCEMENTS_TABLE_NAME = "orders-announcements", LOG_LEVEL = "info" })
    error_message = "The notifier's environment is ${jsonencode(aws_lambda_function.notifier[0].environment[0].variables)}."
  }

  assert {
    condition = { for name, alias in { api = aws_lambda_alias.api, reader = aws_lambda_alias.reader[0], consumer = aws_lambda_alias.consumer, notifier = aws_lambda_alias.notifier[0] } : name => "${alias.name} ${alias.function_name} ${alias.function_version} ${length(alias.routing_config)}" } == {
      api = "live orders-api 11 0", reader = "live orders-reader 12 0", consumer = "live orders-consumer 13 0", notifier = "live orders-notifier 14 0"
    }
    error_message = "Each alias must be its own function's, at that function's newest version."
  }

  assert {
    condition = { for name, mapping in { consumer = aws_lambda_event_source_mapping.consumer, notifier = aws_lambda_event_source_mapping.notifier[0] } : name => [mapping.event_source_arn, mapping.function_name, mapping.destination_config[0].on_failure[0].destination_arn] } == {
      consumer = ["arn:aws:kinesis:eu-test-1:123456789012:stream/intents", "arn:aws:lambda:eu-test-1:123456789012:function:consumer:live", "arn:aws:sqs:eu-test-1:123456789012:discarded"]
      notifier = ["arn:aws:dynamodb:eu-test-1:123456789012:table/orders/stream/1", "arn:aws:lambda:eu-test-1:123456789012:function:notifier:live", "arn:aws:sqs:eu-test-1:123456789012:changes_discarded"]
    }
    error_message = "A mapping must read its own stream, invoke its own function's alias and report to its own queue."
  }

  # Lambda drops records that a filter does not match, and reports none of them.
  assert {
    condition     = alltrue([for mapping in [aws_lambda_event_source_mapping.consumer, aws_lambda_event_source_mapping.notifier[0]] : mapping.filter_criteria == null || length(mapping.filter_criteria) == 0])
    error_message = "A mapping must have no filter, because accepted orders would be dropped without a discard."
  }

  assert {
    condition = { for name, integration in { api = aws_apigatewayv2_integration.api[0], closed = aws_apigatewayv2_integration.closed[0], reader = aws_apigatewayv2_integration.reader[0] } : name => "${integration.api_id} ${integration.integration_type} ${integration.integration_uri}" } == {
      api    = "gateway AWS_PROXY arn:aws:apigateway:eu-test-1:lambda:path/2015-03-31/functions/api:live/invocations"
      closed = "gateway AWS_PROXY arn:aws:apigateway:eu-test-1:lambda:path/2015-03-31/functions/reader:live/invocations"
      reader = "gateway AWS_PROXY arn:aws:apigateway:eu-test-1:lambda:path/2015-03-31/functions/reader:live/invocations"
    }
    error_message = "An integration must invoke the alias of the api or of the reader."
  }

  assert {
    condition = { for route in concat(values(aws_apigatewayv2_route.orders), values(aws_apigatewayv2_route.read), values(aws_apigatewayv2_route.open), aws_apigatewayv2_route.elsewhere) : route.route_key => "${route.api_id} ${route.target}" } == {
      "POST /orders"             = "gateway integrations/integration-api"
      "POST /orders/batch"       = "gateway integrations/integration-api"
      "POST /orders/{id}/cancel" = "gateway integrations/integration-api"
      "GET /orders/{id}"         = "gateway integrations/integration-reader"
      "GET /openapi.json"        = "gateway integrations/integration-api"
      "$default"                 = "gateway integrations/integration-api"
    }
    error_message = "Reads must go to the reader, and everything else to the api."
  }

  assert {
    condition = { for name, permission in { api = aws_lambda_permission.http_api[0], reader = aws_lambda_permission.http_api_reader[0] } : name => [permission.action, permission.function_name, permission.qualifier, permission.principal, permission.source_arn] } == {
      for name in ["api", "reader"] : name => ["lambda:InvokeFunction", "orders-${name}", "live", "apigateway.amazonaws.com", "arn:aws:execute-api:eu-test-1:123456789012:gateway/*/*"]
    }
    error_message = "This gateway, and nothing else, must be allowed to invoke the aliases."
  }

  assert {
    condition = { for name, policy in { api = aws_iam_role_policy.api, reader = aws_iam_role_policy.reader[0], consumer = aws_iam_role_policy.consumer, notifier = aws_iam_role_policy.notifier[0] } : name => {
      role = policy.role, may = [for statement in jsondecode(policy.policy).Statement : "${join(",", flatten([statement.Action]))} ${join(",", flatten([statement.Resource]))}"]
      } } == {
      api = { role = "role-api", may = [
        "kinesis:PutRecord,kinesis:PutRecords arn:aws:kinesis:eu-test-1:123456789012:stream/intents",
        "kms:GenerateDataKey arn:aws:kms:eu-test-1:123456789012:key/key",
        "logs:CreateLogStream,logs:PutLogEvents arn:aws:logs:eu-test-1:123456789012:log-group:api:*",
      ] }
      reader = { role = "role-reader", may = [
        "dynamodb:GetItem arn:aws:dynamodb:eu-test-1:123456789012:table/orders",
        "kms:Decrypt arn:aws:kms:eu-test-1:123456789012:key/key",
        "logs:CreateLogStream,logs:PutLogEvents arn:aws:logs:eu-test-1:123456789012:log-group:reader:*",
      ] }
      consumer = { role = "role-consumer", may = [
        "kinesis:DescribeStream,kinesis:DescribeStreamSummary,kinesis:GetRecords,kinesis:GetShardIterator,kinesis:ListShards arn:aws:kinesis:eu-test-1:123456789012:stream/intents",
        "kms:Decrypt arn:aws:kms:eu-test-1:123456789012:key/key",
        "dynamodb:UpdateItem arn:aws:dynamodb:eu-test-1:123456789012:table/orders",
        "kms:Decrypt arn:aws:kms:eu-test-1:123456789012:key/key",
        "logs:CreateLogStream,logs:PutLogEvents arn:aws:logs:eu-test-1:123456789012:log-group:consumer:*",
        "sqs:SendMessage arn:aws:sqs:eu-test-1:123456789012:discarded",
        "kms:GenerateDataKey,kms:Decrypt arn:aws:kms:eu-test-1:123456789012:key/key",
      ] }
      notifier = { role = "role-notifier", may = [
        "dynamodb:DescribeStream,dynamodb:GetRecords,dynamodb:GetShardIterator arn:aws:dynamodb:eu-test-1:123456789012:table/orders/stream/1",
        "dynamodb:ListStreams arn:aws:dynamodb:eu-test-1:123456789012:table/orders/stream/*",
        "kms:Decrypt arn:aws:kms:eu-test-1:123456789012:key/key",
        "kinesis:PutRecord,kinesis:PutRecords arn:aws:kinesis:eu-test-1:123456789012:stream/facts",
        "kms:GenerateDataKey arn:aws:kms:eu-test-1:123456789012:key/key",
        "dynamodb:UpdateItem arn:aws:dynamodb:eu-test-1:123456789012:table/announcements",
        "kms:Decrypt arn:aws:kms:eu-test-1:123456789012:key/key",
        "logs:CreateLogStream,logs:PutLogEvents arn:aws:logs:eu-test-1:123456789012:log-group:notifier:*",
        "sqs:SendMessage arn:aws:sqs:eu-test-1:123456789012:changes_discarded",
        "kms:GenerateDataKey,kms:Decrypt arn:aws:kms:eu-test-1:123456789012:key/key",
      ] }
    }
    error_message = "Each role must have its own policy, and no right beyond it."
  }

  assert {
    condition = { for key, subscription in aws_sns_topic_subscription.email : key => "${subscription.protocol} ${subscription.topic_arn} ${subscription.endpoint}" } == {
      "page pager@example.com"     = "email arn:aws:sns:eu-test-1:123456789012:page pager@example.com"
      "ticket tickets@example.com" = "email arn:aws:sns:eu-test-1:123456789012:ticket tickets@example.com"
    }
    error_message = "Pages and tickets must go by e-mail to their own addresses."
  }

  assert {
    condition     = { for key, policy in aws_sns_topic_policy.alarms : key => [policy.arn, jsondecode(policy.policy).Statement[0].Resource] } == { for key in ["page", "ticket"] : key => ["arn:aws:sns:eu-test-1:123456789012:${key}", "arn:aws:sns:eu-test-1:123456789012:${key}"] }
    error_message = "Each topic must have its own policy."
  }

  assert {
    condition     = aws_kms_alias.orders[0].target_key_id == "key" && aws_sqs_queue_policy.discarded.queue_url == "https://sqs.example/discarded" && aws_sqs_queue_policy.changes_discarded[0].queue_url == "https://sqs.example/changes_discarded"
    error_message = "Each alias and policy must be on its own key or queue."
  }

  assert {
    condition     = { for key, exclusive in aws_iam_role_policies_exclusive.functions : key => "${exclusive.role_name} ${join(",", exclusive.policy_names)}" } == { for key in ["api", "reader", "consumer", "notifier"] : key => "orders-${key}-eu-test-1 ${key}" }
    error_message = "A function's role must have its one policy, and no other."
  }

  assert {
    condition     = one(aws_apigatewayv2_stage.default[0].access_log_settings).destination_arn == "arn:aws:logs:eu-test-1:123456789012:log-group:access" && aws_apigatewayv2_stage.default[0].name == "$default" && aws_apigatewayv2_stage.default[0].auto_deploy && !aws_apigatewayv2_api.orders[0].disable_execute_api_endpoint
    error_message = "The stage must be deployed by itself at the root, log to its own group, and be reachable."
  }
}
