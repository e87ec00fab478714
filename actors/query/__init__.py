"""Reads what the journal keeps, without an engine."""
