# The dashboard, which shows the pipeline from left to right. Its columns are front door, stream,
# consumer and table. The graph of discards is below the table. The facts are a row below the
# columns, also from left to right.

locals {
  # The columns, each with its graphs from top to bottom. A graph is a title and its metrics as
  # [namespace, name, dimensions, options].
  dashboard_columns = [
    {
      title = "1 · Front door"
      graphs = [
        {
          title = "Requests"
          metrics = local.http_api ? [
            ["AWS/ApiGateway", "Count", local.of_http_api, { stat = "Sum" }],
            ["AWS/ApiGateway", "4xx", local.of_http_api, { stat = "Sum" }],
            ["AWS/ApiGateway", "5xx", local.of_http_api, { stat = "Sum", color = "#d62728" }],
            [local.metric_namespace, "GatewayThrottled", {}, { stat = "Sum" }],
            [local.metric_namespace, "GatewayRefused", {}, { stat = "Sum" }],
            ] : [
            ["AWS/Lambda", "UrlRequestCount", local.of_api, { stat = "Sum" }],
            ["AWS/Lambda", "Url4xxCount", local.of_api, { stat = "Sum" }],
            ["AWS/Lambda", "Url5xxCount", local.of_api, { stat = "Sum", color = "#d62728" }],
          ]
        },
        {
          title = "Latency"
          metrics = local.http_api ? [
            ["AWS/ApiGateway", "Latency", merge(local.of_http_api, { Method = "POST", Resource = "/orders" }), { stat = "p50", label = "submit p50" }],
            ["AWS/ApiGateway", "Latency", merge(local.of_http_api, { Method = "POST", Resource = "/orders" }), { stat = "p99", label = "submit p99" }],
            ] : [
            ["AWS/Lambda", "UrlRequestLatency", local.of_api, { stat = "p50", label = "any p50" }],
            ["AWS/Lambda", "UrlRequestLatency", local.of_api, { stat = "p99", label = "any p99" }],
          ]
        },
        {
          title = "api"
          metrics = [
            ["AWS/Lambda", "ConcurrentExecutions", local.of_api, { stat = "Maximum" }],
            ["AWS/Lambda", "Errors", local.of_api, { stat = "Sum", color = "#d62728" }],
            ["AWS/Lambda", "Throttles", local.of_api, { stat = "Sum" }],
            [local.metric_namespace, "PutNotAccepted", {}, { stat = "Sum" }],
            [local.metric_namespace, "PutOutcomeUnknown", {}, { stat = "Sum" }],
          ]
        },
        {
          title = "reader"
          metrics = local.http_api ? [
            ["AWS/Lambda", "ConcurrentExecutions", local.of_reader, { stat = "Maximum" }],
            ["AWS/Lambda", "Errors", local.of_reader, { stat = "Sum", color = "#d62728" }],
            ["AWS/Lambda", "Throttles", local.of_reader, { stat = "Sum" }],
            ["AWS/ApiGateway", "Latency", merge(local.of_http_api, { Method = "GET", Resource = "/orders/{id}" }), { stat = "p50", label = "read p50" }],
            ] : [
            ["AWS/Lambda", "ConcurrentExecutions", local.of_api, { stat = "Maximum" }],
          ]
        },
      ]
    },
    {
      title = "2 · Stream"
      graphs = [
        {
          title = "Intents in"
          metrics = [
            ["AWS/Kinesis", "IncomingRecords", local.of_stream, { stat = "Sum" }],
            ["AWS/Kinesis", "WriteProvisionedThroughputExceeded", local.of_stream, { stat = "Sum", color = "#d62728" }],
            ["AWS/Kinesis", "ReadProvisionedThroughputExceeded", local.of_stream, { stat = "Sum" }],
          ]
        },
        {
          title = "Put latency"
          metrics = [
            ["AWS/Kinesis", "PutRecord.Latency", local.of_stream, { stat = "p50" }],
            ["AWS/Kinesis", "PutRecord.Latency", local.of_stream, { stat = "p99" }],
          ]
        },
        {
          title = "Bytes in"
          metrics = [
            ["AWS/Kinesis", "IncomingBytes", local.of_stream, { stat = "Sum" }],
          ]
        },
      ]
    },
    {
      title = "3 · Consumer"
      graphs = [
        {
          title = "How far behind"
          metrics = [
            ["AWS/Lambda", "IteratorAge", local.of_consumer, { stat = "Maximum" }],
          ]
        },
        {
          title = "Mapping"
          metrics = [
            ["AWS/Lambda", "PolledEventCount", local.of_mapping, { stat = "Sum" }],
            ["AWS/Lambda", "InvokedEventCount", local.of_mapping, { stat = "Sum" }],
            ["AWS/Lambda", "FailedInvokeEventCount", local.of_mapping, { stat = "Sum", color = "#d62728" }],
          ]
        },
        {
          title = "consumer"
          metrics = [
            ["AWS/Lambda", "ConcurrentExecutions", local.of_consumer, { stat = "Maximum" }],
            ["AWS/Lambda", "Errors", local.of_consumer, { stat = "Sum", color = "#d62728" }],
            ["AWS/Lambda", "Throttles", local.of_consumer, { stat = "Sum" }],
          ]
        },
      ]
    },
    {
      title = "4 · Orders"
      graphs = [
        {
          title = "Outcomes of intents"
          metrics = [for name in ["Applied", "AlreadyApplied", "Duplicate", "ConflictRecorded", "ConflictTruncated", "Refused", "Rejected", "Unfinished"] :
            [local.metric_namespace, name, {}, { stat = "Sum" }]
          ]
        },
        {
          title = "Table"
          metrics = [
            ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", local.of_table, { stat = "Sum" }],
            ["AWS/DynamoDB", "ConsumedReadCapacityUnits", local.of_table, { stat = "Sum" }],
            ["AWS/DynamoDB", "WriteThrottleEvents", local.of_table, { stat = "Sum", color = "#d62728" }],
            ["AWS/DynamoDB", "ReadThrottleEvents", local.of_table, { stat = "Sum" }],
          ]
        },
        {
          title = "Given up"
          metrics = [
            ["AWS/Lambda", "OnFailureDestinationDeliveredEventCount", local.of_mapping, { stat = "Sum" }],
            ["AWS/Lambda", "DroppedEventCount", local.of_mapping, { stat = "Sum", color = "#d62728" }],
            ["AWS/Lambda", "DestinationDeliveryFailures", local.of_consumer, { stat = "Sum" }],
            ["AWS/SQS", "ApproximateNumberOfMessagesVisible", local.of_queue, { stat = "Maximum" }],
            ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", local.of_queue, { stat = "Maximum" }],
          ]
        },
      ]
    },
  ]

  dashboard_facts = [
    {
      title = "How far behind the notifier is"
      metrics = [
        ["AWS/Lambda", "IteratorAge", local.of_notifier, { stat = "Maximum" }],
      ]
    },
    {
      title = "notifier"
      metrics = concat([
        ["AWS/Lambda", "PolledEventCount", local.of_changes_mapping, { stat = "Sum" }],
        ["AWS/Lambda", "InvokedEventCount", local.of_changes_mapping, { stat = "Sum" }],
        ["AWS/Lambda", "FailedInvokeEventCount", local.of_changes_mapping, { stat = "Sum" }],
        ["AWS/Lambda", "ConcurrentExecutions", local.of_notifier, { stat = "Maximum" }],
        ["AWS/Lambda", "Errors", local.of_notifier, { stat = "Sum", color = "#d62728" }],
        ["AWS/Lambda", "Throttles", local.of_notifier, { stat = "Sum" }],
        ], [for name in keys(merge(local.facts_metrics, local.publish_metrics)) :
        [local.metric_namespace, name, {}, { stat = "Sum" }]
      ])
    },
    {
      title = "Facts in, and their marks"
      metrics = [
        ["AWS/Kinesis", "IncomingRecords", local.of_facts, { stat = "Sum" }],
        ["AWS/Kinesis", "IncomingBytes", local.of_facts, { stat = "Sum", yAxis = "right" }],
        ["AWS/Kinesis", "WriteProvisionedThroughputExceeded", local.of_facts, { stat = "Sum", color = "#d62728" }],
        ["AWS/Kinesis", "ReadProvisionedThroughputExceeded", local.of_facts, { stat = "Sum" }],
        ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", local.of_announcements, { stat = "Sum" }],
        ["AWS/DynamoDB", "WriteThrottleEvents", local.of_announcements, { stat = "Sum" }],
        ["AWS/DynamoDB", "ReadThrottleEvents", local.of_announcements, { stat = "Sum" }],
      ]
    },
    {
      title = "Changes given up"
      metrics = [
        ["AWS/Lambda", "OnFailureDestinationDeliveredEventCount", local.of_changes_mapping, { stat = "Sum" }],
        ["AWS/Lambda", "DroppedEventCount", local.of_changes_mapping, { stat = "Sum", color = "#d62728" }],
        ["AWS/Lambda", "DestinationDeliveryFailures", local.of_notifier, { stat = "Sum" }],
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", local.of_changes_queue, { stat = "Maximum" }],
        ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", local.of_changes_queue, { stat = "Maximum" }],
      ]
    },
  ]

  # The row of the facts begins below the longest column.
  dashboard_facts_y = 1 + 6 * max([for content in local.dashboard_columns : length(content.graphs)]...)

  dashboard_headings = concat([for column, content in local.dashboard_columns : {
    type       = "text"
    x          = 6 * column
    y          = 0
    width      = 6
    height     = 1
    properties = { markdown = "## ${content.title}" }
    }], [for on in [var.facts] : {
    type       = "text"
    x          = 0
    y          = local.dashboard_facts_y
    width      = 24
    height     = 1
    properties = { markdown = "## 5 · Facts" }
  } if on])

  dashboard_places = concat(
    flatten([for column, content in local.dashboard_columns : [for row, graph in content.graphs : { x = 6 * column, y = 1 + 6 * row, graph = graph }]]),
    [for column, graph in local.dashboard_facts : { x = 6 * column, y = local.dashboard_facts_y + 1, graph = graph } if var.facts],
  )

  dashboard_graphs = [for place in local.dashboard_places : {
    type   = "metric"
    x      = place.x
    y      = place.y
    width  = 6
    height = 6
    properties = {
      title  = place.graph.title
      region = local.region
      period = 60
      view   = "timeSeries"
      # CloudWatch wants the dimensions as alternating names and values.
      metrics = [for metric in place.graph.metrics : concat(
        [metric[0], metric[1]],
        flatten([for name, value in metric[2] : [name, value]]),
        [metric[3]],
      )]
    }
  }]
}

# The name of a dashboard belongs to the account and not to a region.
resource "aws_cloudwatch_dashboard" "pipeline" {
  dashboard_name = "${var.name}-${local.region}"
  dashboard_body = jsonencode({ widgets = concat(local.dashboard_headings, local.dashboard_graphs) })
}
