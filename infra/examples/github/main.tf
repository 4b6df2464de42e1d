# The role that the workflow deploy.yml takes, with the rights that Terraform needs to apply infra/
# with the HTTP API. GitHub's token names the environment, so only a job that its reviewers let
# through gets the role.

resource "aws_iam_role" "deployer" {
  name                 = "${var.name}-deployer-${local.region}"
  description          = "Applies infra/ from GitHub."
  max_session_duration = 3600
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "JobsOfTheEnvironment"
      Effect    = "Allow"
      Principal = { Federated = var.oidc_provider_arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = { StringEquals = {
        "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
        "token.actions.githubusercontent.com:sub" = "repo:${var.repository}:environment:${var.environment}"
      } }
    }]
  })
}

locals {
  # The beginning of an ARN of a service in this account and region.
  arn = { for service in ["apigateway", "cloudwatch", "dynamodb", "kinesis", "kms", "lambda", "logs", "sns", "sqs"] : service => "arn:${local.partition}:${service}:${local.region}:${local.account}" }

  compute = [
    {
      Sid    = "Functions"
      Effect = "Allow"
      Action = [
        "lambda:AddPermission", "lambda:CreateAlias", "lambda:CreateFunction", "lambda:DeleteAlias", "lambda:DeleteFunction",
        "lambda:DeleteFunctionConcurrency", "lambda:GetAlias", "lambda:GetFunction", "lambda:GetFunctionCodeSigningConfig",
        "lambda:GetFunctionConcurrency", "lambda:GetPolicy", "lambda:ListTags", "lambda:ListVersionsByFunction", "lambda:PublishVersion",
        "lambda:PutFunctionConcurrency", "lambda:RemovePermission", "lambda:TagResource", "lambda:UntagResource", "lambda:UpdateAlias",
        "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration",
      ]
      Resource = "${local.arn.lambda}:function:${var.name}-*"
    },
    {
      # The id of a mapping is made by AWS, so its function limits the right.
      Sid       = "Mappings"
      Effect    = "Allow"
      Action    = ["lambda:CreateEventSourceMapping", "lambda:DeleteEventSourceMapping", "lambda:UpdateEventSourceMapping"]
      Resource  = "*"
      Condition = { ArnLike = { "lambda:FunctionArn" = "${local.arn.lambda}:function:${var.name}-*" } }
    },
    {
      Sid      = "ReadMappings"
      Effect   = "Allow"
      Action   = ["lambda:GetEventSourceMapping", "lambda:ListTags", "lambda:TagResource"]
      Resource = "*"
    },
    {
      Sid    = "Gateway"
      Effect = "Allow"
      Action = ["apigateway:DELETE", "apigateway:GET", "apigateway:PATCH", "apigateway:POST", "apigateway:PUT", "apigateway:TagResource"]
      Resource = [
        "arn:${local.partition}:apigateway:${local.region}::/apis", "arn:${local.partition}:apigateway:${local.region}::/apis/*",
        "arn:${local.partition}:apigateway:${local.region}::/tags/*",
      ]
    },
    {
      Sid    = "Roles"
      Effect = "Allow"
      Action = [
        "iam:AttachRolePolicy", "iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:GetRole",
        "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole", "iam:ListRolePolicies",
        "iam:PutRolePolicy", "iam:TagRole", "iam:UntagRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole",
      ]
      # The role of the deployer itself is not among them.
      Resource = [for role in ["api", "reader", "consumer", "notifier", "operator"] : "arn:${local.partition}:iam::${local.account}:role/${var.name}-${role}-${local.region}"]
    },
    {
      Sid       = "HandRolesToLambda"
      Effect    = "Allow"
      Action    = "iam:PassRole"
      Resource  = [for role in ["api", "reader", "consumer", "notifier"] : "arn:${local.partition}:iam::${local.account}:role/${var.name}-${role}-${local.region}"]
      Condition = { StringEquals = { "iam:PassedToService" = "lambda.amazonaws.com" } }
    },
    {
      Sid      = "Policies"
      Effect   = "Allow"
      Action   = ["iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:DeletePolicy", "iam:DeletePolicyVersion", "iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyVersions", "iam:TagPolicy"]
      Resource = [for policy in ["announce", "operator"] : "arn:${local.partition}:iam::${local.account}:policy/${var.name}-${policy}-${local.region}"]
    },
    {
      Sid      = "State"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
      Resource = ["arn:${local.partition}:s3:::${var.state_bucket}/${var.state_key}", "arn:${local.partition}:s3:::${var.state_bucket}/${var.state_key}.tflock"]
    },
    {
      Sid      = "FindState"
      Effect   = "Allow"
      Action   = "s3:ListBucket"
      Resource = "arn:${local.partition}:s3:::${var.state_bucket}"
    },
  ]

  data = concat([
    {
      Sid    = "Streams"
      Effect = "Allow"
      Action = [
        "kinesis:AddTagsToStream", "kinesis:CreateStream", "kinesis:DecreaseStreamRetentionPeriod", "kinesis:DescribeStreamSummary",
        "kinesis:IncreaseStreamRetentionPeriod", "kinesis:ListTagsForStream", "kinesis:StartStreamEncryption", "kinesis:TagResource",
        "kinesis:UpdateShardCount", "kinesis:UpdateStreamMode",
      ]
      Resource = "${local.arn.kinesis}:stream/${var.name}-*"
    },
    {
      Sid    = "Tables"
      Effect = "Allow"
      Action = [
        "dynamodb:CreateTable", "dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive",
        "dynamodb:ListTagsOfResource", "dynamodb:TagResource", "dynamodb:UpdateContinuousBackups", "dynamodb:UpdateTable",
      ]
      Resource = ["${local.arn.dynamodb}:table/${var.name}", "${local.arn.dynamodb}:table/${var.name}-*"]
    },
    {
      Sid      = "Queues"
      Effect   = "Allow"
      Action   = ["sqs:CreateQueue", "sqs:GetQueueAttributes", "sqs:ListQueueTags", "sqs:SetQueueAttributes", "sqs:TagQueue"]
      Resource = "${local.arn.sqs}:${var.name}-*"
    },
    {
      Sid    = "Archive"
      Effect = "Allow"
      Action = [
        "s3:CreateBucket", "s3:Get*Configuration", "s3:GetBucket*", "s3:ListBucket", "s3:PutBucketOwnershipControls", "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock", "s3:PutBucketTagging", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration",
      ]
      Resource = "arn:${local.partition}:s3:::${var.name}-discarded-${local.account}-${local.region}"
    },
    {
      Sid      = "Topics"
      Effect   = "Allow"
      Action   = ["sns:CreateTopic", "sns:GetSubscriptionAttributes", "sns:GetTopicAttributes", "sns:ListTagsForResource", "sns:SetTopicAttributes", "sns:Subscribe", "sns:TagResource", "sns:Unsubscribe"]
      Resource = "${local.arn.sns}:${var.name}-*"
    },
    {
      Sid      = "Logs"
      Effect   = "Allow"
      Action   = ["logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:DeleteMetricFilter", "logs:ListTagsForResource", "logs:PutMetricFilter", "logs:PutRetentionPolicy", "logs:TagResource"]
      Resource = ["${local.arn.logs}:log-group:/aws/lambda/${var.name}-*", "${local.arn.logs}:log-group:/aws/apigateway/${var.name}*"]
    },
    {
      # These actions take no resources. The delivery actions turn on the gateway's access log.
      Sid    = "LogsOfTheAccount"
      Effect = "Allow"
      Action = [
        "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DeleteQueryDefinition", "logs:DescribeLogGroups", "logs:DescribeMetricFilters",
        "logs:DescribeQueryDefinitions", "logs:DescribeResourcePolicies", "logs:GetLogDelivery", "logs:ListLogDeliveries",
        "logs:PutQueryDefinition", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
      ]
      Resource = "*"
    },
    {
      Sid    = "Alarms"
      Effect = "Allow"
      Action = [
        "cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource", "cloudwatch:PutCompositeAlarm",
        "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource",
      ]
      Resource = ["${local.arn.cloudwatch}:alarm:${var.name}-*"]
    },
    {
      Sid      = "Dashboard"
      Effect   = "Allow"
      Action   = ["cloudwatch:DeleteDashboards", "cloudwatch:GetDashboard", "cloudwatch:PutDashboard"]
      Resource = "arn:${local.partition}:cloudwatch::${local.account}:dashboard/${var.name}-${local.region}"
    },
    {
      # A key has no name before it is made. Afterwards its tag limits the rights.
      Sid       = "MakeKey"
      Effect    = "Allow"
      Action    = ["kms:CreateKey", "kms:TagResource"]
      Resource  = "*"
      Condition = { StringEquals = { "aws:RequestTag/Service" = var.name } }
    },
    {
      Sid    = "Key"
      Effect = "Allow"
      Action = [
        "kms:CreateAlias", "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:EnableKeyRotation", "kms:GenerateDataKey",
        "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags", "kms:PutKeyPolicy",
      ]
      Resource  = "${local.arn.kms}:key/*"
      Condition = { StringEquals = { "aws:ResourceTag/Service" = var.name } }
    },
    {
      Sid      = "KeyAlias"
      Effect   = "Allow"
      Action   = ["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"]
      Resource = "${local.arn.kms}:alias/${var.name}"
    },
    {
      Sid      = "ListAliases"
      Effect   = "Allow"
      Action   = "kms:ListAliases"
      Resource = "*"
    },
    ], [for arns in [var.kms_key_arns] : {
      # A key that is brought has its owner's tags. The deployer may use the key, and not change it.
      Sid      = "BroughtKeys"
      Effect   = "Allow"
      Action   = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
      Resource = arns
  } if length(arns) > 0])
}

# The deployer may not delete a stream, a table, a queue, a bucket, a log or a key. A teardown is a
# person's work.
resource "aws_iam_policy" "deployer" {
  #checkov:skip=CKV_AWS_355:These actions take no resource, or a condition limits them
  for_each = { compute = local.compute, data = local.data }

  name        = "${var.name}-deployer-${each.key}-${local.region}"
  description = "The rights to apply infra/ of ${var.name}, part ${each.key}."
  policy      = jsonencode({ Version = "2012-10-17", Statement = each.value })
}

resource "aws_iam_role_policy_attachment" "deployer" {
  for_each = aws_iam_policy.deployer

  role       = aws_iam_role.deployer.name
  policy_arn = each.value.arn
}
