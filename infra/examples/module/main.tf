# The service in a root of a platform team, with what such a team brings. Its packages come from a
# bucket, its key is the team's (key.tf), its alarms go to the organization's topics, and its domain
# has a certificate already.

module "orders" {
  source = "../../modules/orders"

  name = var.name

  # The packages are not files here, but the module asks for the places of both kinds.
  api_package      = "api.zip"
  consumer_package = "consumer.zip"
  notifier_package = "notifier.zip"
  packages_s3      = var.packages

  kms_key                  = { arn = aws_kms_key.team.arn }
  permissions_boundary_arn = var.permissions_boundary_arn
  vpc                      = var.vpc
  domain                   = var.domain
  alarm_topics             = var.alarm_topics
  operator_principal_arns  = var.operator_principal_arns

  caller       = "jwt:sub"
  jwt_issuer   = var.jwt_issuer
  jwt_audience = var.jwt_audience

  # A setting of the pipeline that is not given has the default of the module.
  retention_hours     = 168
  discard_destination = "s3"
}
