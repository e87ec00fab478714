"""Holds a store against its own events."""
