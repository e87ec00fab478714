"""Frameworks that playhead makes durable, one module each. Each needs the extra of its name."""
