"""Drives a handler's coroutines through a history, without any I/O."""
