# One customer-managed key for all data at rest, which are streams, tables, discards, logs and
# alarms. It is made here, or it is a key of yours (kms_key).

locals {
  # The plan has to know if the key is made here. It knows if kms_key is null, even where the ARN in
  # it is not known yet.
  makes_key = var.kms_key == null ? true : var.kms_key.keep_own
  key_arn   = var.kms_key == null ? one(aws_kms_key.orders[*].arn) : var.kms_key.arn
  # The keys that the roles may use. More than one of them are usable around a switch of the key,
  # because a record, a discard or a backup stays under the key that it was written with.
  usable_key_arns = distinct(concat([local.key_arn], aws_kms_key.orders[*].arn, var.other_kms_key_arns))

  log_group_names = merge({
    api      = "/aws/lambda/${var.name}-api"
    consumer = "/aws/lambda/${var.name}-consumer"
    },
    local.http_api ? { reader = "/aws/lambda/${var.name}-reader", access = "/aws/apigateway/${var.name}" } : {},
    var.facts ? { notifier = "/aws/lambda/${var.name}-notifier" } : {},
  )

  # The statements that a key needs besides the rights of the roles (roles.tf). The key that is made
  # here has this policy. It is an output too, for the policy of a key of yours. Nothing in it may
  # refer to a key, because the policy of your key would then depend on itself.
  key_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Without this statement nobody could ever change this policy again, and no right of a role
        # to the key would count.
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

resource "aws_kms_key" "orders" {
  count = local.makes_key ? 1 : 0

  description             = "The key of ${var.name} for intents, orders, discards and logs"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = local.key_policy
}

moved {
  from = aws_kms_key.orders
  to   = aws_kms_key.orders[0]
}

resource "aws_kms_alias" "orders" {
  count = local.makes_key ? 1 : 0

  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.orders[0].key_id
}

moved {
  from = aws_kms_alias.orders
  to   = aws_kms_alias.orders[0]
}
