# The variables whose values the module cannot know, which are a name, the tags of the provider, and
# the places of packages in this repository. All other variables are in passed_on.tf.

variable "name" {
  type     = string
  default  = "orders"
  nullable = false
}

variable "tags" {
  description = "The tags of every resource, besides Service and Setting."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = length(var.tags) <= 48 && alltrue([for key, value in var.tags : can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{1,128}$", key)) && can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{0,256}$", value)) && !startswith(lower(key), "aws:")])
    error_message = "tags must be at most 48, with keys of 1 to 128 and values of up to 256 letters, digits, spaces and _.:/=+-@. No key may begin with aws:."
  }
}

variable "api_package" {
  type     = string
  default  = "../dist/api.zip"
  nullable = false
}

variable "consumer_package" {
  type     = string
  default  = "../dist/consumer.zip"
  nullable = false
}

variable "notifier_package" {
  type     = string
  default  = "../dist/notifier.zip"
  nullable = false
}
