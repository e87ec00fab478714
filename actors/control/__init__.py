"""The remote control of a runtime, for use outside handlers."""
