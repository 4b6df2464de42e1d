# Production: intents are kept for a week, an outage of an hour is ridden out, and what is discarded
# is kept with its content. Given after the pipeline's own file: terraform apply
# -var-file=settings/production.tfvars

# A week to notice, to mend and to put back.
retention_hours = 168

# (122 + 1) × (30 s − 0.5 s) = 3,628.5 s. The price: a poison record is retried as often, and holds
# up its part of the shard meanwhile, which is why a shard has four.
maximum_retry_attempts = 122
parallelization_factor = 4
batch_size             = 100
shard_count            = 4

# 4 shards × 4 batches; the api gets the most of what is left of a quota of 1,000.
consumer_reserved_concurrency = 16
api_reserved_concurrency      = 400

# The records themselves, beyond the stream's week.
discard_destination    = "s3"
archive_retention_days = 90

log_retention_days  = 90
tracing             = true
requests_per_second = 2000
request_burst       = 2000

# The stop switch: false before an outage that will last longer than the budget, true after it.
consumer_enabled = true
