"""The location of a data directory's token, for clients that load neither the server nor the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

URL_VARIABLE = "PLAYHEAD_URL"
TOKEN_VARIABLE = "PLAYHEAD_TOKEN"  # noqa: S105 - the name of a variable


def token_path(directory: Path) -> Path:
    """Return the path of a data directory's token file."""
    return directory / "token"
