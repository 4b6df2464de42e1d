# The destinations to which Lambda reports the batches that it gave up on. A queue gets the place in
# the stream. A bucket gets the records as well, and keeps them beyond the stream's retention
# (Lambda developer guide, "Retain discarded batch records for a Kinesis Data Streams event
# source").

locals {
  discard_destination_arn = var.discard_destination == "sqs" ? aws_sqs_queue.discarded.arn : one(aws_s3_bucket.discarded[*].arn)
}

# The queue exists whichever destination is chosen. When the destination changes, the queue may
# still hold messages, and they must not be deleted with it.
resource "aws_sqs_queue" "discarded" {
  name                       = "${var.name}-intents-discarded"
  message_retention_seconds  = var.queue_retention_seconds
  visibility_timeout_seconds = 300
  kms_master_key_id          = local.key_arn
}

resource "aws_sqs_queue_policy" "discarded" {
  queue_url = aws_sqs_queue.discarded.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyEncryptedConnections"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.discarded.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_s3_bucket" "discarded" {
  count = var.discard_destination == "s3" ? 1 : 0

  bucket        = "${var.name}-discarded-${local.account}-${local.region}"
  force_destroy = !var.deletion_protection

  # When the destination changes, the mapping lets go of the bucket before it is deleted. For the
  # same reason the resources below are deleted late.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "discarded" {
  count = var.discard_destination == "s3" ? 1 : 0

  bucket                  = aws_s3_bucket.discarded[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_s3_bucket_ownership_controls" "discarded" {
  count = var.discard_destination == "s3" ? 1 : 0

  bucket = aws_s3_bucket.discarded[0].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "discarded" {
  count = var.discard_destination == "s3" ? 1 : 0

  bucket = aws_s3_bucket.discarded[0].id

  rule {
    # With a bucket key the encryption context is the bucket's ARN, which the consumer's role names.
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = local.key_arn
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "discarded" {
  count = var.discard_destination == "s3" ? 1 : 0

  bucket = aws_s3_bucket.discarded[0].id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {
      prefix = ""
    }

    expiration {
      days = var.archive_retention_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_s3_bucket_policy" "discarded" {
  count = var.discard_destination == "s3" ? 1 : 0

  bucket = aws_s3_bucket.discarded[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyEncryptedConnections"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.discarded[0].arn, "${aws_s3_bucket.discarded[0].arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.discarded]

  lifecycle {
    create_before_destroy = true
  }
}
