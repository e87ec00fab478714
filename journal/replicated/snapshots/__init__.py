"""Snapshots of a replicated journal: what an empty node begins with, so that the log need not be kept for ever."""
