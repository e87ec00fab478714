"""Checks a store against its own events."""
