# The tests of a key that is brought, and of the time around a switch of the key. The key that is
# made here has the ARN key/key, and the key that is brought has key/brought.

mock_provider "aws" {
  source = "./tests/identities"
}

# All that is encrypted is there.
variables {
  discard_destination     = "s3"
  operator_principal_arns = ["arn:aws:iam::123456789012:role/on-call"]
}

run "the_key_that_is_made_has_the_policy_that_a_key_needs" {
  assert {
    condition     = aws_kms_key.orders[0].policy == output.key_policy && aws_kms_alias.orders[0].name == "alias/orders"
    error_message = "What a brought key is told to have must be what the key that is made here has."
  }

  assert {
    condition     = output.key_arn == "arn:aws:kms:eu-test-1:123456789012:key/key" && join(" ", local.usable_key_arns) == "arn:aws:kms:eu-test-1:123456789012:key/key"
    error_message = "Without a key of yours there must be one key, which is made here."
  }
}

run "a_key_that_is_brought_encrypts_everything_and_no_key_is_made" {
  state_key = "brought"

  variables {
    kms_key = { arn = "arn:aws:kms:eu-test-1:123456789012:key/brought" }
  }

  assert {
    condition     = length(aws_kms_key.orders) == 0 && length(aws_kms_alias.orders) == 0
    error_message = "Neither a key nor an alias may be made where a key is brought."
  }

  assert {
    condition = {
      intents           = aws_kinesis_stream.intents.kms_key_id
      facts             = aws_kinesis_stream.facts[0].kms_key_id
      orders            = one(aws_dynamodb_table.orders.server_side_encryption).kms_key_arn
      announcements     = one(aws_dynamodb_table.announcements[0].server_side_encryption).kms_key_arn
      guard             = one(aws_dynamodb_table.guard.server_side_encryption).kms_key_arn
      discarded         = aws_sqs_queue.discarded.kms_master_key_id
      changes_discarded = aws_sqs_queue.changes_discarded[0].kms_master_key_id
      archive           = one(one(aws_s3_bucket_server_side_encryption_configuration.discarded[0].rule).apply_server_side_encryption_by_default).kms_master_key_id
      pages             = aws_sns_topic.alarms["page"].kms_master_key_id
      tickets           = aws_sns_topic.alarms["ticket"].kms_master_key_id
      api_log           = aws_cloudwatch_log_group.api.kms_key_id
      reader_log        = aws_cloudwatch_log_group.reader[0].kms_key_id
      consumer_log      = aws_cloudwatch_log_group.consumer.kms_key_id
      notifier_log      = aws_cloudwatch_log_group.notifier[0].kms_key_id
      access_log        = aws_cloudwatch_log_group.access[0].kms_key_id
      } == { for name in [
        "intents", "facts", "orders", "announcements", "guard", "discarded", "changes_discarded", "archive", "pages", "tickets",
        "api_log", "reader_log", "consumer_log", "notifier_log", "access_log",
    ] : name => "arn:aws:kms:eu-test-1:123456789012:key/brought" }
    error_message = "Everything must be encrypted under the key that is brought."
  }

  assert {
    condition = { for name, policy in {
      api      = aws_iam_role_policy.api.policy, reader = aws_iam_role_policy.reader[0].policy, consumer = aws_iam_role_policy.consumer.policy
      notifier = aws_iam_role_policy.notifier[0].policy, operator = aws_iam_policy.operator.policy, announce = aws_iam_policy.announce[0].policy
      } : name => { for statement in jsondecode(policy).Statement : statement.Sid => join(" ", flatten([statement.Resource])) if strcontains(jsonencode(statement.Action), "kms:") }
      } == { for name, statements in {
        api      = ["EncryptIntents"]
        reader   = ["DecryptOrders"]
        consumer = ["DecryptIntents", "DecryptOrders", "EncryptArchive", "EncryptDiscards"]
        notifier = ["DecryptAnnouncements", "DecryptChanges", "EncryptDiscards", "EncryptFacts"]
        operator = ["DecryptAndEncryptIntents", "DecryptDiscards"]
        announce = ["DecryptAnnouncements", "DecryptOrders", "EncryptFacts"]
    } : name => { for statement in statements : statement => "arn:aws:kms:eu-test-1:123456789012:key/brought" } }
    error_message = "Each right to a key must be a right to the key that is brought, and to no other."
  }

  assert {
    condition     = output.key_arn == "arn:aws:kms:eu-test-1:123456789012:key/brought" && output.subscriber.facts_key_arn == "arn:aws:kms:eu-test-1:123456789012:key/brought"
    error_message = "The outputs must name the key that is brought."
  }

  assert {
    condition     = jsondecode(output.key_policy).Statement[*].Sid == ["AccountDelegatesThroughIam", "LogsOfThisService", "AlarmsOfThisAccount"] && !strcontains(output.key_policy, ":key/")
    error_message = "The policy that a key needs must be known, and must not depend on the key."
  }
}

run "before_a_switch_the_roles_may_use_the_next_key_and_nothing_is_encrypted_under_it" {
  variables {
    other_kms_key_arns = ["arn:aws:kms:eu-test-1:123456789012:key/next"]
  }

  assert {
    condition     = aws_kinesis_stream.intents.kms_key_id == "arn:aws:kms:eu-test-1:123456789012:key/key" && output.key_arn == "arn:aws:kms:eu-test-1:123456789012:key/key"
    error_message = "The next key must not encrypt anything yet."
  }

  assert {
    condition     = alltrue([for policy in [aws_iam_role_policy.api.policy, aws_iam_role_policy.consumer.policy, aws_iam_policy.operator.policy] : alltrue([for statement in jsondecode(policy).Statement : statement.Resource == ["arn:aws:kms:eu-test-1:123456789012:key/key", "arn:aws:kms:eu-test-1:123456789012:key/next"] if strcontains(jsonencode(statement.Action), "kms:")])])
    error_message = "The roles must be able to use both keys when the streams change over."
  }
}

run "after_a_switch_the_key_that_was_made_stays_for_what_it_has_encrypted" {
  variables {
    kms_key = { arn = "arn:aws:kms:eu-test-1:123456789012:key/brought", keep_own = true }
  }

  assert {
    condition     = aws_kms_key.orders[0].arn == "arn:aws:kms:eu-test-1:123456789012:key/key" && aws_kinesis_stream.intents.kms_key_id == "arn:aws:kms:eu-test-1:123456789012:key/brought"
    error_message = "The former key must stay, and must not encrypt anything new."
  }

  assert {
    condition     = alltrue([for policy in [aws_iam_role_policy.consumer.policy, aws_iam_role_policy.notifier[0].policy, aws_iam_policy.operator.policy] : alltrue([for statement in jsondecode(policy).Statement : statement.Resource == ["arn:aws:kms:eu-test-1:123456789012:key/brought", "arn:aws:kms:eu-test-1:123456789012:key/key"] if strcontains(jsonencode(statement.Action), "kms:")])])
    error_message = "The roles must be able to decrypt what is under the former key."
  }

  assert {
    condition     = length(aws_iam_policy.operator.policy) < 6144
    error_message = "The operator's policy must fit into a managed policy with two keys as well."
  }
}

# What a team brings may be made by the same apply. Its ARN or id is not known when Terraform plans,
# and the number of resources must be known all the same.
run "what_is_brought_may_be_made_by_the_same_apply" {
  state_key = "not_yet_known"

  module {
    source = "./tests/not_yet_known"
  }

  variables {
    api_package      = "tests/packages/api.zip"
    consumer_package = "tests/packages/consumer.zip"
    notifier_package = "tests/packages/notifier.zip"
  }

  assert {
    condition     = output.key_arn == "arn:aws:kms:eu-test-1:123456789012:key/brought" && output.alarm_topic_arn == "arn:aws:sns:eu-test-1:123456789012:pager"
    error_message = "The service must use what was made for it."
  }
}
