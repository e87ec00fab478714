"""How a client finds a server and its token: known without loading either."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

URL_VARIABLE = "PLAYHEAD_URL"
TOKEN_VARIABLE = "PLAYHEAD_TOKEN"  # noqa: S105 - the name of a variable


def token_path(directory: Path) -> Path:
    """Where the token of a data directory lies."""
    return directory / "token"
