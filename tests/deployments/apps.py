"""Small applications, written where a test wants them."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from actors.code.discovery import snapshot_of

if TYPE_CHECKING:
    from pathlib import Path

    from actors.values.snapshot import Snapshot


def write(folder: Path, **sources: str) -> Path:
    """Write modules: ``shop__orders`` is ``shop/orders.py``, with the packages above it. Returns the folder."""
    for name, source in sources.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        for parent in path.relative_to(folder).parents:
            if parent.name:
                (folder / parent / "__init__.py").touch()
        path.write_text(textwrap.dedent(source))
    return folder


def snapshot(folder: Path, **sources: str) -> Snapshot:
    """The code of ``app.py``, as it is after these modules were written."""
    return snapshot_of(write(folder, **sources) / "app.py")
