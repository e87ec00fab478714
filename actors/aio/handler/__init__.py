"""asyncio code as handler code: an event loop in a handler, whose tasks are branches."""
