# The stream of facts. The notifier writes it, and subscribers read it (examples/subscriber). Its
# records are keyed by the order's id, as those of the stream of intents are.

resource "aws_kinesis_stream" "facts" {
  count = var.facts ? 1 : 0

  name             = "${var.name}-facts"
  shard_count      = var.facts_stream_mode == "PROVISIONED" ? var.facts_shard_count : null
  retention_period = var.facts_retention_hours
  encryption_type  = "KMS"
  kms_key_id       = local.key_arn

  stream_mode_details {
    stream_mode = var.facts_stream_mode
  }
}
