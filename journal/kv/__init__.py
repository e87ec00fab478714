"""Sorted bytes on disk: a store, and what keeps it whole."""
