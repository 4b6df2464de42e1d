# One customer-managed key for all data at rest, which are streams, tables, discards, logs and
# alarms.

locals {
  log_group_names = merge({
    api      = "/aws/lambda/${var.name}-api"
    consumer = "/aws/lambda/${var.name}-consumer"
    },
    local.http_api ? { reader = "/aws/lambda/${var.name}-reader", access = "/aws/apigateway/${var.name}" } : {},
    var.facts ? { notifier = "/aws/lambda/${var.name}-notifier" } : {},
  )
}

resource "aws_kms_key" "orders" {
  description             = "The key of ${var.name} for intents, orders, discards and logs"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Without this statement nobody could ever change this policy again. The rights of the roles
        # to the key are in roles.tf.
        Sid       = "AccountDelegatesThroughIam"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        # CloudWatch Logs user guide, "Encrypt log data in CloudWatch Logs using AWS KMS".
        Sid       = "LogsOfThisService"
        Effect    = "Allow"
        Principal = { Service = "logs.${local.region}.${local.dns_suffix}" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
        Resource  = "*"
        Condition = {
          ArnEquals = {
            "kms:EncryptionContext:aws:logs:arn" = [
              for name in values(local.log_group_names) : "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${name}"
            ]
          }
        }
      },
      {
        # Without this statement CloudWatch could not publish to the encrypted topic. Alarms would
        # fire, and nobody would hear of them.
        Sid       = "AlarmsOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      },
    ]
  })
}

resource "aws_kms_alias" "orders" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.orders.key_id
}
