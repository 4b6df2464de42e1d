# The outputs for the readers of the queue.

output "queue_url" {
  description = "The FIFO queue. The body of a message is the event of a fact."
  value       = aws_sqs_queue.facts.url
}

output "queue_arn" {
  description = "The FIFO queue, for the role of a reader."
  value       = aws_sqs_queue.facts.arn
}

output "key_arn" {
  description = "The key of both queues, for the role of a reader."
  value       = aws_kms_key.pipe.arn
}

output "discard_queue_url" {
  description = "The queue of facts that the pipe gave up on."
  value       = aws_sqs_queue.discarded.url
}
