"""How much a processor does in one round, before it seals what it has decided and other tasks get their turn."""

TAKEN = 256
"""How many requests and handlers one round takes, how many calls, and how many ends of waits, before other tasks get their turn."""

SECONDS = 0.05
"""How long a round takes at most, give or take a few requests and handlers: one object may keep a partition busy for long, and the
clients of others wait meanwhile."""

TAKEN_BETWEEN_CHECKS = 8
"""How many requests and handlers a round takes before it looks at the clock."""

RUNS_IN_A_ROW = 16
"""How many ready handlers run before a request gets its turn. Handlers go first, because they hold keys. But handlers that make each other
ready endlessly must not delay the request that would stop them."""

ENOUGH_TO_COMMIT = 128
"""How many justify a commit while none is on its way. A smaller one costs more than an earlier start of the disk gains."""
