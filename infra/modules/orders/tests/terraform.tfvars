# The inputs of the module that have no default.
name             = "orders"
api_package      = "dist/api.zip"
consumer_package = "dist/consumer.zip"
notifier_package = "dist/notifier.zip"

# Nobody is warned of missing subscribers.
alarms_are_heard = true
