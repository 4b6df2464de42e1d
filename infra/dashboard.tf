# The dashboard, which shows the pipeline from left to right. Its columns are front door, stream,
# consumer and table. The graph of discards is below the table.

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

  dashboard_headings = [for column, content in local.dashboard_columns : {
    type       = "text"
    x          = 6 * column
    y          = 0
    width      = 6
    height     = 1
    properties = { markdown = "## ${content.title}" }
  }]

  dashboard_graphs = flatten([for column, content in local.dashboard_columns : [for row, graph in content.graphs : {
    type   = "metric"
    x      = 6 * column
    y      = 1 + 6 * row
    width  = 6
    height = 6
    properties = {
      title  = graph.title
      region = local.region
      period = 60
      view   = "timeSeries"
      # CloudWatch wants the dimensions as alternating names and values.
      metrics = [for metric in graph.metrics : concat(
        [metric[0], metric[1]],
        flatten([for name, value in metric[2] : [name, value]]),
        [metric[3]],
      )]
    }
  }]])
}

resource "aws_cloudwatch_dashboard" "pipeline" {
  dashboard_name = var.name
  dashboard_body = jsonencode({ widgets = concat(local.dashboard_headings, local.dashboard_graphs) })
}
