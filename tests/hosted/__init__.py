"""asyncio code as handler code: what asyncio promises holds, and it is replayed as any handler is."""
