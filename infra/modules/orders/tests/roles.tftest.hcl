# The policies of the api and the consumer, statement by statement. Those of the facts are in
# facts.tftest.hcl. A change of a policy changes these files as well, so a reviewer sees the change.

mock_provider "aws" {
  source = "./tests/mocks"
}

# Tracing is on, because it adds a statement.
variables {
  tracing = true
}

run "the_api_puts_intents_and_does_nothing_else" {
  assert {
    condition = jsondecode(aws_iam_role_policy.api.policy).Statement == jsondecode(jsonencode([
      { Sid = "PutIntents", Effect = "Allow", Action = ["kinesis:PutRecord", "kinesis:PutRecords"], Resource = "arn:aws:kinesis:eu-test-1:123456789012:stream/intents" },
      {
        Sid = "EncryptIntents", Effect = "Allow", Action = "kms:GenerateDataKey", Resource = ["arn:aws:kms:eu-test-1:123456789012:key/k"]
        Condition = { StringEquals = {
          "kms:ViaService"                        = "kinesis.eu-test-1.amazonaws.com"
          "kms:EncryptionContext:aws:kinesis:arn" = "arn:aws:kinesis:eu-test-1:123456789012:stream/intents"
        } }
      },
      { Sid = "WriteLog", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "arn:aws:logs:eu-test-1:123456789012:log-group:g:*" },
      { Sid = "Trace", Effect = "Allow", Action = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], Resource = "*" },
    ]))
    error_message = "The api's role is not as reviewed."
  }
}

run "the_reader_reads_orders_and_does_nothing_else" {
  assert {
    condition = jsondecode(aws_iam_role_policy.reader[0].policy).Statement == jsondecode(jsonencode([
      { Sid = "ReadOrders", Effect = "Allow", Action = "dynamodb:GetItem", Resource = "arn:aws:dynamodb:eu-test-1:123456789012:table/orders" },
      {
        Sid = "DecryptOrders", Effect = "Allow", Action = "kms:Decrypt", Resource = ["arn:aws:kms:eu-test-1:123456789012:key/k"]
        Condition = { StringEquals = {
          "kms:ViaService"                                  = "dynamodb.eu-test-1.amazonaws.com"
          "kms:EncryptionContext:aws:dynamodb:tableName"    = "orders"
          "kms:EncryptionContext:aws:dynamodb:subscriberId" = "123456789012"
        } }
      },
      { Sid = "WriteLog", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "arn:aws:logs:eu-test-1:123456789012:log-group:g:*" },
      { Sid = "Trace", Effect = "Allow", Action = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], Resource = "*" },
    ]))
    error_message = "The reader's role is not as reviewed."
  }
}

run "the_consumer_reads_intents_and_writes_orders" {
  assert {
    condition = jsondecode(aws_iam_role_policy.consumer.policy).Statement == jsondecode(jsonencode([
      {
        Sid      = "PollIntents", Effect = "Allow"
        Action   = ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
        Resource = "arn:aws:kinesis:eu-test-1:123456789012:stream/intents"
      },
      {
        Sid = "DecryptIntents", Effect = "Allow", Action = "kms:Decrypt", Resource = ["arn:aws:kms:eu-test-1:123456789012:key/k"]
        Condition = { StringEquals = {
          "kms:ViaService"                        = "kinesis.eu-test-1.amazonaws.com"
          "kms:EncryptionContext:aws:kinesis:arn" = "arn:aws:kinesis:eu-test-1:123456789012:stream/intents"
        } }
      },
      { Sid = "ApplyIntents", Effect = "Allow", Action = "dynamodb:UpdateItem", Resource = "arn:aws:dynamodb:eu-test-1:123456789012:table/orders" },
      {
        Sid = "DecryptOrders", Effect = "Allow", Action = "kms:Decrypt", Resource = ["arn:aws:kms:eu-test-1:123456789012:key/k"]
        Condition = { StringEquals = {
          "kms:ViaService"                                  = "dynamodb.eu-test-1.amazonaws.com"
          "kms:EncryptionContext:aws:dynamodb:tableName"    = "orders"
          "kms:EncryptionContext:aws:dynamodb:subscriberId" = "123456789012"
        } }
      },
      { Sid = "WriteLog", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = "arn:aws:logs:eu-test-1:123456789012:log-group:g:*" },
      { Sid = "KeepDiscards", Effect = "Allow", Action = "sqs:SendMessage", Resource = "arn:aws:sqs:eu-test-1:123456789012:discarded" },
      {
        Sid = "EncryptDiscards", Effect = "Allow", Action = ["kms:GenerateDataKey", "kms:Decrypt"], Resource = ["arn:aws:kms:eu-test-1:123456789012:key/k"]
        Condition = { StringEquals = {
          "kms:ViaService"                    = "sqs.eu-test-1.amazonaws.com"
          "kms:EncryptionContext:aws:sqs:arn" = "arn:aws:sqs:eu-test-1:123456789012:discarded"
        } }
      },
      { Sid = "Trace", Effect = "Allow", Action = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], Resource = "*" },
    ]))
    error_message = "The consumer's role is not as reviewed."
  }
}

run "only_lambda_takes_the_roles" {
  assert {
    condition = alltrue([for role in [aws_iam_role.api, aws_iam_role.reader[0], aws_iam_role.consumer] : jsondecode(role.assume_role_policy).Statement == jsondecode(jsonencode([
      { Sid = "LambdaOnly", Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" },
    ]))])
    error_message = "Lambda and nobody else must be allowed to take a function's role."
  }
}

run "a_fan_out_consumer_may_be_subscribed_to_and_the_mapping_reads_from_it" {
  variables {
    enhanced_fan_out = true
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.consumer.policy).Statement : statement if statement.Sid == "SubscribeToIntents"] == jsondecode(jsonencode([{
      Sid      = "SubscribeToIntents", Effect = "Allow"
      Action   = ["kinesis:SubscribeToShard", "kinesis:DescribeStreamConsumer"]
      Resource = "arn:aws:kinesis:eu-test-1:123456789012:stream/intents/consumer/c:1"
    }]))
    error_message = "The consumer's role must be able to subscribe."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.consumer.event_source_arn == aws_kinesis_stream_consumer.fan_out[0].arn
    error_message = "The mapping must read as the fan-out consumer."
  }
}

run "without_tracing_nothing_is_allowed_on_every_resource" {
  variables {
    tracing = false
  }

  assert {
    condition     = alltrue([for statement in concat(jsondecode(aws_iam_role_policy.api.policy).Statement, jsondecode(aws_iam_role_policy.reader[0].policy).Statement, jsondecode(aws_iam_role_policy.consumer.policy).Statement, jsondecode(aws_iam_role_policy.notifier[0].policy).Statement) : statement.Resource != "*"])
    error_message = "No statement but X-Ray's may name every resource."
  }

  assert {
    condition     = aws_lambda_function.api.tracing_config[0].mode == "PassThrough"
    error_message = "Tracing must be off."
  }
}

run "a_boundary_is_put_on_every_role" {
  variables {
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
  }

  assert {
    condition     = aws_iam_role.api.permissions_boundary == var.permissions_boundary_arn && aws_iam_role.reader[0].permissions_boundary == var.permissions_boundary_arn && aws_iam_role.consumer.permissions_boundary == var.permissions_boundary_arn && aws_iam_role.notifier[0].permissions_boundary == var.permissions_boundary_arn
    error_message = "Every role must have the boundary."
  }
}
