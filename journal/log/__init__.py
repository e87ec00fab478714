"""The journal over a sorted map of bytes: streams of events, messages between objects, and a feed of changes."""
