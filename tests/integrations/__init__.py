"""Frameworks that playhead makes durable."""
