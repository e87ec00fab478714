"""Replays a handler's history through its coroutines, without any I/O."""
