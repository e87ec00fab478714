"""Words and figures that help shows, and that the project has elsewhere.

ServerOptions they come from takes longer to import than help may take; a test holds each against its origin.
"""

from __future__ import annotations

from pathlib import Path

STATUSES = ("scheduled", "queued", "running", "suspended", "backing_off", "paused", "completed")
"""Of :class:`actors.Status`."""

SCOPES = ("invoke", "read", "control", "admin")
"""Of a token, each with those before it."""

DEFAULT_DATA = Path("playhead-data")
"""The data directory, unless another one is said."""

URL_VARIABLE = "PLAYHEAD_URL"
TOKEN_VARIABLE = "PLAYHEAD_TOKEN"  # noqa: S105 - the name of a variable

RETENTION_SECONDS = 86_400.0
"""How long results are kept unless something else is said."""

SLOWEST_RATE, FASTEST_RATE = 0.01, 1e6
"""Invocations that a job may be made to ask a second."""
