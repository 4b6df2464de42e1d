# The stream, which is the write-ahead log of everything that the api has accepted.

resource "aws_kinesis_stream" "intents" {
  name             = "${var.name}-intents"
  shard_count      = var.stream_mode == "PROVISIONED" ? var.shard_count : null
  retention_period = var.retention_hours
  encryption_type  = "KMS"
  kms_key_id       = local.key_arn

  stream_mode_details {
    stream_mode = var.stream_mode
  }
}

resource "aws_kinesis_stream_consumer" "fan_out" {
  count = var.enhanced_fan_out ? 1 : 0

  name       = "${var.name}-consumer"
  stream_arn = aws_kinesis_stream.intents.arn
}
