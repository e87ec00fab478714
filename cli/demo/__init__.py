"""The story that ``playhead demo`` tells, and the app that it runs."""
