"""The remote control, from outside of handlers."""
