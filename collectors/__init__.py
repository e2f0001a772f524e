"""The packet door: where facts are observed."""

# What can be a source of observations, by the name that a configuration gives it.
COLLECTORS = ("packets",)
