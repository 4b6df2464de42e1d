# The front door as a function URL. It saves the price of a gateway, but it has no throttle, no
# access log and no check of tokens. A URL has one function, so the api serves reads as well. Reads
# that wait then take execution environments that orders need.

locals {
  function_url = var.front_door == "function_url"
  open_url     = local.function_url && var.caller == "none"
}

resource "aws_lambda_function_url" "api" {
  count = local.function_url ? 1 : 0

  function_name      = aws_lambda_function.api.function_name
  qualifier          = aws_lambda_alias.api.name
  authorization_type = local.open_url ? "NONE" : "AWS_IAM"

  dynamic "cors" {
    for_each = length(var.cors_allow_origins) > 0 ? [var.cors_allow_origins] : []

    content {
      allow_origins  = cors.value
      allow_methods  = local.cors_methods
      allow_headers  = local.cors_request_headers
      expose_headers = local.cors_answer_headers
      max_age        = 600
    }
  }
}

# Since October 2025 both actions are needed (Lambda developer guide, "Control access to Lambda
# function URLs"). With AWS_IAM the callers' own policies grant both actions.
resource "aws_lambda_permission" "function_url" {
  #checkov:skip=CKV_AWS_301:Only with caller = none and a function URL, and by the URL only
  count = local.open_url ? 1 : 0

  statement_id           = "FunctionUrl"
  action                 = "lambda:InvokeFunctionUrl"
  function_name          = aws_lambda_function.api.function_name
  qualifier              = aws_lambda_alias.api.name
  principal              = "*"
  function_url_auth_type = "NONE"
}

resource "aws_lambda_permission" "function_url_invoke" {
  #checkov:skip=CKV_AWS_301:Only with caller = none and a function URL, and by the URL only
  count = local.open_url ? 1 : 0

  statement_id             = "FunctionUrlInvoke"
  action                   = "lambda:InvokeFunction"
  function_name            = aws_lambda_function.api.function_name
  qualifier                = aws_lambda_alias.api.name
  principal                = "*"
  invoked_via_function_url = true
}
