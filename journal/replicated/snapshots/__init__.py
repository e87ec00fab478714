"""Snapshots of a replicated journal: what an empty node begins with, so that the log need not be kept for ever."""

SNAPSHOT_BYTES = 64 << 20
"""The bytes of the log after the newest snapshot at which the next one is made, by default."""
