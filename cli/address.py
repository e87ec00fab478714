"""Where the server of a data directory listens: a small file beside the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec

if TYPE_CHECKING:
    from pathlib import Path


@attrs.frozen
class Address:
    """A server that runs, or ran."""

    url: str
    pid: int


def write_address(directory: Path, address: Address) -> None:
    """Say where the server listens."""
    path = directory / "ADDRESS"
    temporary = path.with_suffix(".new")
    temporary.write_bytes(msgspec.json.encode(address))
    temporary.rename(path)


def read_address(directory: Path) -> Address | None:
    """Where the server that was started last listens, if one was."""
    try:
        return msgspec.json.decode((directory / "ADDRESS").read_bytes(), type=Address)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None
