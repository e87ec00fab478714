"""A journal on a replicated log: several nodes have the same journal, and each partition has one owner at a time."""
