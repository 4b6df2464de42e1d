# The setting that a deployment is made with. The state remembers it by an output, and each resource
# by a tag. infra/bin/deploy refuses to apply another setting.

variable "setting" {
  description = "The name of the file in settings/ that this deployment is made with. Each file there sets it, so do not type it: give -var-file=settings/NAME.tfvars."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.setting))
    error_message = "setting must have up to 31 lower-case letters, digits and hyphens."
  }
}

output "setting" {
  description = "The setting that this deployment was made with."
  value       = var.setting
}
