"""The story and the app of ``playhead demo``."""
