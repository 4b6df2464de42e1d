# The outputs that clients and operators need.

output "url" {
  description = "The URL of the service."
  value       = module.orders.url
}

output "operator_role_arn" {
  description = "The role of the person who is paged, or null."
  value       = module.orders.operator_role_arn
}
