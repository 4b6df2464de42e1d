# The minimal setting, which is the module's defaults and pipeline.auto.tfvars.json. It costs the
# least, and rides out two minutes of an outage.

# The name of this file. The deployment remembers it.
setting = "minimal"
