"""The address of a data directory's server, in a small file beside the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import msgspec

from journal.kv.small_files import read_file, replace_file

if TYPE_CHECKING:
    from pathlib import Path

    from journal.kv.data_directory import HeldDirectory


@attrs.frozen
class Address:
    """The address of a server. The server may have stopped since."""

    url: str
    pid: int


def write_address(directory: HeldDirectory, address: Address) -> None:
    """Write the address of the server."""
    directory.check()
    replace_file(directory.root / "ADDRESS", msgspec.json.encode(address))


def read_address(directory: Path) -> Address | None:
    """Return the address of the server that was started last, or None."""
    try:
        return msgspec.json.decode(read_file(directory / "ADDRESS"), type=Address)
    except (OSError, ValueError):
        return None
