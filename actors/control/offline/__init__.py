"""The third backend: a data directory at rest. It reads, and changes nothing."""
