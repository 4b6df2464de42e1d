# The further promises of settings/production.tfvars. The tests run with that file (see
# infra/bin/test).

mock_provider "aws" {
  source = "./tests/mocks"
}

run "an_hours_outage_is_ridden_out" {
  assert {
    condition     = output.outage_budget_seconds >= 3600
    error_message = "The retries must last for an hour."
  }

  assert {
    condition     = (one(aws_lambda_event_source_mapping.notifier[*].maximum_retry_attempts) + 1) * (one(aws_lambda_function.notifier[*].timeout) - 0.5) >= 3600
    error_message = "The notifier's retries must last for an hour too."
  }
}

run "a_week_is_kept_and_discards_keep_their_content" {
  assert {
    condition     = aws_kinesis_stream.intents.retention_period == 168
    error_message = "The stream must keep a week."
  }

  assert {
    condition     = output.discard_destination_arn == "arn:aws:s3:::discarded"
    error_message = "Discards must go to the archive."
  }

  assert {
    condition     = one(one(aws_lambda_event_source_mapping.consumer.destination_config).on_failure).destination_arn == aws_s3_bucket.discarded[0].arn
    error_message = "The mapping must report to the archive."
  }
}

run "nobody_else_gets_into_the_archive" {
  assert {
    condition = (
      aws_s3_bucket_public_access_block.discarded[0].block_public_acls && aws_s3_bucket_public_access_block.discarded[0].block_public_policy
      && aws_s3_bucket_public_access_block.discarded[0].ignore_public_acls && aws_s3_bucket_public_access_block.discarded[0].restrict_public_buckets
    )
    error_message = "The archive must not become public."
  }

  assert {
    condition     = one(aws_s3_bucket_ownership_controls.discarded[0].rule).object_ownership == "BucketOwnerEnforced" && !aws_s3_bucket.discarded[0].force_destroy
    error_message = "The archive must be its owner's, and a teardown must not empty it."
  }

  assert {
    condition     = jsondecode(aws_s3_bucket_policy.discarded[0].policy).Statement[0].Effect == "Deny" && jsondecode(aws_s3_bucket_policy.discarded[0].policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    error_message = "The archive must refuse unencrypted connections."
  }
}

run "the_archive_forgets_by_itself" {
  assert {
    condition     = one(aws_s3_bucket_lifecycle_configuration.discarded[0].rule).status == "Enabled" && one(one(aws_s3_bucket_lifecycle_configuration.discarded[0].rule).filter).prefix == "" && one(one(aws_s3_bucket_lifecycle_configuration.discarded[0].rule).expiration).days == 90
    error_message = "Every object must expire, because it holds a person's data."
  }
}

run "the_consumer_may_write_the_archive_and_find_it" {
  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.consumer.policy).Statement : statement if contains(["ArchiveDiscards", "FindArchive", "EncryptArchive"], statement.Sid)] == jsondecode(jsonencode([
      { Sid = "ArchiveDiscards", Effect = "Allow", Action = "s3:PutObject", Resource = "arn:aws:s3:::discarded/*" },
      { Sid = "FindArchive", Effect = "Allow", Action = "s3:ListBucket", Resource = "arn:aws:s3:::discarded" },
      {
        Sid = "EncryptArchive", Effect = "Allow", Action = "kms:GenerateDataKey", Resource = ["arn:aws:kms:eu-test-1:123456789012:key/k"]
        Condition = { StringEquals = {
          "kms:ViaService"                   = "s3.eu-test-1.amazonaws.com"
          "kms:EncryptionContext:aws:s3:arn" = "arn:aws:s3:::discarded"
        } }
      },
    ]))
    error_message = "The consumer's role must have these rights, or discards are lost silently."
  }
}

run "concurrency_is_reserved_for_every_batch_in_flight" {
  assert {
    condition     = aws_lambda_function.consumer.reserved_concurrent_executions >= aws_kinesis_stream.intents.shard_count * aws_lambda_event_source_mapping.consumer.parallelization_factor
    error_message = "The mapping must never be throttled by the function's own limit."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.orders["concurrency"].threshold == 160 && aws_cloudwatch_metric_alarm.orders["reader-concurrency"].threshold == 160
    error_message = "The alarms must fire at 80 % of the reserved concurrency of the api and of the reader."
  }
}
