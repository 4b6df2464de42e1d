# The outputs that clients and operators need.

output "url" {
  description = "The URL of the service."
  value       = module.orders.url
}

output "key_arn" {
  description = "The key that everything is encrypted under."
  value       = module.orders.key_arn
}

output "operator_role_arn" {
  description = "The role of the person who is paged, or null."
  value       = module.orders.operator_role_arn
}
