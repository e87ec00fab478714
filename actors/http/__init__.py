"""The HTTP server in front of a runtime, and the client for it. Neither uses the engine directly."""
