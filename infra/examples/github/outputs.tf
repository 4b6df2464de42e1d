# The output that the workflow needs.

output "role_arn" {
  description = "The role for the variable AWS_ROLE_ARN of the environment in GitHub."
  value       = aws_iam_role.deployer.arn
}
