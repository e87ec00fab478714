"""The store: a sorted map of bytes, on disk or in memory, and the checks that keep it whole."""
