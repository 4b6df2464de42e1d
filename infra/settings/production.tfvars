# The production setting. Intents are kept for a week, an outage of an hour is ridden out, and
# discards are kept with their content. `make deploy SETTINGS=production` deploys it.

# The name of this file. The deployment remembers it, and infra/bin/deploy refuses another setting.
setting = "production"

# A week leaves time to notice, to mend and to put back.
retention_hours = 168

# The outage budget is (122 + 1) × (30 s − 0.5 s) = 3,628.5 s. The price is that a poison record is
# retried as often, and holds up its part of the shard meanwhile. For this reason a shard has four
# parts.
maximum_retry_attempts = 122
parallelization_factor = 4
batch_size             = 100
shard_count            = 4

# Facts are kept as long as intents, so that a subscriber can be behind for as long as the consumer.
# An outage of the stream of facts is ridden out for as long as an outage of the table.
facts_shard_count               = 4
facts_retention_hours           = 168
notifier_maximum_retry_attempts = 122

# The consumer needs 4 shards × 4 batches. The notifier needs 10 batches for each shard of the
# change stream, which has as many shards as the table has partitions. A new table on demand takes
# 4,000 writes a second, which is four partitions. The api and the reader share most of the rest of
# a quota of 1,000. A submit takes a tenth of a second at most, so 200 executions take the 2,000
# requests a second of the throttle. A read that waits takes a second or more.
consumer_reserved_concurrency = 16
notifier_reserved_concurrency = 40
api_reserved_concurrency      = 200
reader_reserved_concurrency   = 200

# The archive keeps the records themselves, beyond the stream's week.
discard_destination    = "s3"
archive_retention_days = 90

# A service that takes orders for a living is never quiet for an hour.
no_traffic_alarm_minutes = 60

log_retention_days  = 90
tracing             = true
requests_per_second = 2000
request_burst       = 2000
