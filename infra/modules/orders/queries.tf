# The saved queries of Logs Insights that the runbook asks for. CloudWatch lists them in the folder
# that has the service's name.

locals {
  queries = merge({
    "errors of the api" = {
      groups = concat([aws_cloudwatch_log_group.api.name], aws_cloudwatch_log_group.reader[*].name)
      query  = "fields @timestamp, level, message, reason, code, gateway_request_id, @logStream | filter level in [\"ERROR\", \"WARN\"] or @message like /Task timed out|Runtime exited|panicked/ | sort @timestamp desc | limit 200"
    }
    "intents that the stream did not acknowledge" = {
      groups = [aws_cloudwatch_log_group.api.name]
      query  = "filter message = \"the stream did not acknowledge an intent\" | stats count() by reason, code, bin(5m)"
    }
    "outcomes of intents" = {
      groups = [aws_cloudwatch_log_group.consumer.name]
      query  = "filter message = \"batch\" | stats sum(applied), sum(duplicate), sum(refused), sum(rejected), sum(unfinished) by bin(5m)"
    }
    "failed attempts of the consumer" = {
      groups = [aws_cloudwatch_log_group.consumer.name]
      query  = "fields @timestamp, errors | filter message = \"attempts failed\" | sort @timestamp desc | limit 200"
    }
    "rejected intents" = {
      groups = [aws_cloudwatch_log_group.consumer.name]
      query  = "fields @timestamp, level, message, reason | filter level in [\"ERROR\", \"WARN\"] | sort @timestamp desc | limit 200"
    }
    },
    { for group in aws_cloudwatch_log_group.access : "answers by status and route" => {
      groups = [group.name]
      query  = "stats count() as requests, pct(response_latency, 99) as p99 by status, integration_status, route | sort requests desc"
    } },
    { for group in aws_cloudwatch_log_group.notifier : "failed attempts of the notifier" => {
      groups = [group.name]
      query  = "fields @timestamp, errors, to_mend | filter message = \"attempts failed\" | sort @timestamp desc | limit 200"
    } },
  )
}

resource "aws_cloudwatch_query_definition" "runbook" {
  for_each = local.queries

  name            = "${var.name}/${each.key}"
  log_group_names = each.value.groups
  query_string    = each.value.query
}
