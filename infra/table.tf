# The orders: one row an order, which is its own idempotency lock.
#
# No time to live (an expired row would be revived by a replay) and no replicas (the last writer
# would win, which voids the lock); see docs/architecture.md.

resource "aws_dynamodb_table" "orders" {
  # What depends on something is destroyed before it. So the refusal of a protected table saves the
  # accepted orders that are not applied yet, and what is known of discards.
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
