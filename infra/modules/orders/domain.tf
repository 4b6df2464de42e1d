# The HTTP API under a domain of yours. The certificate is yours, and lies in the region of the
# service. With a domain the API's own endpoint is off, because it would get around what is in front
# of the domain.

resource "aws_apigatewayv2_domain_name" "orders" {
  count = local.http_api && var.domain != null ? 1 : 0

  domain_name = var.domain.name

  domain_name_configuration {
    certificate_arn = var.domain.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
}

resource "aws_apigatewayv2_api_mapping" "orders" {
  count = local.http_api && var.domain != null ? 1 : 0

  api_id          = aws_apigatewayv2_api.orders[0].id
  domain_name     = aws_apigatewayv2_domain_name.orders[0].id
  stage           = aws_apigatewayv2_stage.default[0].id
  api_mapping_key = var.base_path == "/" ? null : trimprefix(var.base_path, "/")
}

# Without a zone the record is yours to make. (The function try would take a zone whose id is not
# known yet for a value that may be null.)
resource "aws_route53_record" "orders" {
  count = local.http_api && (var.domain == null ? false : var.domain.zone != null) ? 1 : 0

  zone_id = var.domain.zone.id
  name    = aws_apigatewayv2_domain_name.orders[0].domain_name
  type    = "A"

  alias {
    name                   = lookup(one(aws_apigatewayv2_domain_name.orders[*].domain_name_configuration)[0], "target_domain_name", "")
    zone_id                = lookup(one(aws_apigatewayv2_domain_name.orders[*].domain_name_configuration)[0], "hosted_zone_id", "")
    evaluate_target_health = false
  }
}
