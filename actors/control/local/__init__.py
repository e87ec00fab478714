"""The backend of a runtime in this process."""
