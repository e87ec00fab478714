"""The HTTP API in front of a runtime."""
