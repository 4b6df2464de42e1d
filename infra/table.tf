# The table of orders. Each order has one row, which is the order's own idempotency lock.
#
# The table has no time to live, because a replay would revive an expired row. It has no replicas,
# because the last writer would win there, which voids the lock. See docs/architecture.md.

resource "aws_dynamodb_table" "orders" {
  # Terraform destroys a resource before the resources that it depends on. So a protected table,
  # which refuses to be destroyed, saves the accepted orders that are not applied yet, and the
  # reports of discards.
  depends_on = [aws_kinesis_stream.intents, aws_sqs_queue.discarded]

  name                        = coalesce(var.table_name, var.name)
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "order_id"
  deletion_protection_enabled = var.deletion_protection
  stream_enabled              = var.table_change_stream
  stream_view_type            = var.table_change_stream ? "NEW_AND_OLD_IMAGES" : null

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
    kms_key_arn = aws_kms_key.orders.arn
  }
}
