# The team's own key, which is made by the same apply as the service. The module says what the key's
# policy needs. A key that is used elsewhere as well has these statements beside its own.

resource "aws_kms_key" "team" {
  description             = "The team's key, used by ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = module.orders.key_policy
}
