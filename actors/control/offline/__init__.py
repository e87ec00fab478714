"""The third backend: a data directory that no process runs. It reads, and changes nothing."""
