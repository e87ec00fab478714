"""The remote control of a runtime in this process."""
