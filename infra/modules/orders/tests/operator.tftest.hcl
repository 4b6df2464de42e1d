# The tests of the switches and of the rights of the person who is paged.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "a_closed_front_door_turns_orders_away_and_still_shows_them" {
  variables {
    accepting = false
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.orders : route.target == "integrations/${aws_apigatewayv2_integration.closed[0].id}"]) && aws_apigatewayv2_integration.closed[0].integration_uri == aws_lambda_alias.reader[0].invoke_arn
    error_message = "No request that writes may reach the api."
  }

  assert {
    condition     = one(aws_apigatewayv2_integration.closed[0].response_parameters).status_code == "503" && one(aws_apigatewayv2_integration.closed[0].response_parameters).mappings == tomap({ "overwrite:header.retry-after" = "60" })
    error_message = "A client must hear when to come again."
  }

  assert {
    condition     = aws_apigatewayv2_route.read["GET /orders/{id}"].target == "integrations/${aws_apigatewayv2_integration.reader[0].id}" && aws_lambda_event_source_mapping.consumer.enabled
    error_message = "Orders must be applied and read as ever."
  }
}

run "an_open_front_door_sends_orders_to_the_api" {
  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.orders : route.target == "integrations/${aws_apigatewayv2_integration.api[0].id}"]) && aws_lambda_function.api.reserved_concurrent_executions == -1
    error_message = "Orders must reach the api."
  }
}

run "a_closed_function_url_has_no_execution" {
  command = plan

  variables {
    accepting  = false
    front_door = "function_url"
  }

  assert {
    condition     = aws_lambda_function.api.reserved_concurrent_executions == 0
    error_message = "Lambda must refuse every request."
  }
}

run "a_throttle_that_the_api_cannot_serve_is_refused" {
  command = plan

  variables {
    requests_per_second      = 501
    api_reserved_concurrency = 50
  }

  expect_failures = [var.requests_per_second]
}

run "a_throttle_that_the_api_can_serve_is_taken" {
  command = plan

  variables {
    requests_per_second      = 500
    api_reserved_concurrency = 50
  }
}

run "an_operator_has_a_role_where_somebody_may_take_it" {
  variables {
    operator_principal_arns = ["arn:aws:iam::123456789012:role/on-call"]
  }

  assert {
    condition     = jsondecode(aws_iam_role.operator[0].assume_role_policy).Statement[0].Principal.AWS == ["arn:aws:iam::123456789012:role/on-call"] && aws_iam_role_policy_attachment.operator[0].policy_arn == aws_iam_policy.operator.arn && aws_iam_role_policy_attachment.operator[0].role == aws_iam_role.operator[0].name
    error_message = "The named principals and nobody else may take the role, which has the operator's policy."
  }

  assert {
    condition     = length(aws_iam_role_policies_exclusive.functions["operator"].policy_names) == 0
    error_message = "The operator must have no further policy."
  }
}

run "every_role_of_a_function_has_one_policy" {
  assert {
    condition     = { for name, exclusive in aws_iam_role_policies_exclusive.functions : name => [exclusive.role_name, join(" ", exclusive.policy_names)] } == { for name in ["api", "consumer", "notifier", "reader"] : name => ["orders-${name}-eu-test-1", name] }
    error_message = "A policy that was added by hand must not stay."
  }
}

run "an_operator_reads_no_order_from_the_table" {
  assert {
    condition     = !strcontains(aws_iam_policy.operator.policy, "dynamodb") && length(aws_iam_policy.operator.policy) < 6144
    error_message = "The operator's policy must leave the table alone, and must fit into a managed policy."
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_policy.operator.policy).Statement : statement.Sid if statement.Resource == "*"] == ["Look"]
    error_message = "Only actions that take no resource may name every resource."
  }
}

run "each_log_has_its_queries_and_each_queue_its_name" {
  assert {
    condition     = toset(flatten([for query in aws_cloudwatch_query_definition.runbook : query.log_group_names])) == toset(values(output.log_groups))
    error_message = "Every log must have a saved query."
  }

  assert {
    condition     = keys(output.log_groups) == ["access", "api", "consumer", "notifier", "reader"] && keys(output.queues) == ["changes", "intents"]
    error_message = "The outputs must name what the runbook asks for."
  }
}
