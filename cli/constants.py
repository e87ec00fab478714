"""Names and numbers for help texts that are defined in other modules.

Their own modules take too long to import for help; a test compares each with its definition.
"""

from __future__ import annotations

from pathlib import Path

STATUSES = ("scheduled", "queued", "running", "suspended", "backing_off", "paused", "completed")
"""The values of :class:`actors.Status`."""

SCOPES = ("observe", "invoke", "read", "control", "admin")
"""The scopes of tokens; each includes the previous ones."""

DEFAULT_DATA = Path("playhead-data")
"""The default data directory."""

URL_VARIABLE = "PLAYHEAD_URL"
TOKEN_VARIABLE = "PLAYHEAD_TOKEN"  # noqa: S105 - the name of a variable

ANSWER_SECONDS = 30.0
"""How long a server may take to answer by default."""

RETENTION_SECONDS = 86_400.0
"""How long results are kept by default."""

SLOWEST_RATE, FASTEST_RATE = 0.01, 1e6
"""The lowest and the highest rate of a job, in invocations per second."""
