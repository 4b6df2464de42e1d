# The table of announcements, which has a mark for each fact that is in the stream of facts. The
# command `announce` reads the marks, and publishes the facts that have none. It is a command for an
# operator, so its rights are in a policy that you attach to the operators' role.

resource "aws_dynamodb_table" "announcements" {
  count = var.facts ? 1 : 0

  name                        = "${var.name}-announcements"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "order_id"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "order_id"
    type = "S"
  }

  point_in_time_recovery {
    enabled                 = true
    recovery_period_in_days = var.point_in_time_recovery_days
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = local.key_arn
  }
}

resource "aws_iam_policy" "announce" {
  count = var.facts ? 1 : 0

  name        = "${var.name}-announce-${local.region}"
  description = "The rights of the command announce, which publishes facts from the rows of orders."
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadOrders"
        Effect   = "Allow"
        Action   = ["dynamodb:Scan", "dynamodb:GetItem"]
        Resource = aws_dynamodb_table.orders.arn
      },
      {
        Sid       = "DecryptOrders"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = local.usable_key_arns
        Condition = local.through_dynamodb
      },
      {
        Sid      = "ReadAndMarkAnnouncements"
        Effect   = "Allow"
        Action   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
        Resource = aws_dynamodb_table.announcements[0].arn
      },
      {
        Sid       = "DecryptAnnouncements"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = local.usable_key_arns
        Condition = local.through_announcements[0]
      },
      {
        Sid      = "PublishFacts"
        Effect   = "Allow"
        Action   = ["kinesis:PutRecord", "kinesis:PutRecords"]
        Resource = aws_kinesis_stream.facts[0].arn
      },
      {
        Sid       = "EncryptFacts"
        Effect    = "Allow"
        Action    = "kms:GenerateDataKey"
        Resource  = local.usable_key_arns
        Condition = local.through_facts[0]
      },
    ]
  })

  lifecycle {
    create_before_destroy = true
  }
}
