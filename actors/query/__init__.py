"""Reads the journal without an engine."""
