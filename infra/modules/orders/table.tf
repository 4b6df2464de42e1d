# The table of orders. Each order has one row, which is the order's own idempotency lock.
#
# The table has no time to live, because a replay would revive an expired row. It has no replicas,
# because the last writer wins among replicas with eventual consistency, which voids the lock.
# docs/deploy.md describes replicas with strong consistency.

locals {
  # The notifier reads the change stream, and so may a function of your own.
  change_stream = var.facts || var.table_change_stream
}

resource "aws_dynamodb_table" "orders" {
  # Terraform destroys a resource before the resources that it depends on. So a protected table,
  # which refuses to be destroyed, saves the accepted orders that are not applied yet, the facts,
  # and the reports of discards.
  depends_on = [
    aws_kinesis_stream.intents, aws_sqs_queue.discarded, aws_kinesis_stream.facts, aws_sqs_queue.changes_discarded,
    aws_dynamodb_table.announcements,
  ]

  name                        = coalesce(var.table_name, var.name)
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "order_id"
  deletion_protection_enabled = var.deletion_protection
  stream_enabled              = local.change_stream
  stream_view_type            = local.change_stream ? "NEW_AND_OLD_IMAGES" : null

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
