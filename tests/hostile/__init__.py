"""Users' code and values that misbehave on purpose: each stops its own invocation and nothing else."""
