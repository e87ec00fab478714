"""Rows covered by uncommitted changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal.kv.store import SCAN_PAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from journal.kv.store import Readable


class LayeredRows:
    """The rows of ``base`` under layers of changes, topmost first; a layer has None for a row that it removes.

    The engine puts commits that are not on disk yet over its journal, so that an object reads its own writes. A reader of the
    past puts former rows over current ones.
    """

    def __init__(self, base: Readable, *layers: Mapping[bytes, bytes | None]) -> None:
        self._base = base
        self.layers = list(layers)
        """The changes. A layer may grow; the lowest is removed once the base has received it."""

    def get(self, key: bytes) -> bytes | None:
        """Return the row's value, or None."""
        for layer in self.layers:
            if key in layer:
                return layer[key]
        return self._base.get(key)

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """Return at most ``limit`` rows in ``[start, stop)``, in order, or from the end if ``reverse``."""
        changed: dict[bytes, bytes | None] = {}
        for layer in reversed(self.layers):
            changed.update((key, value) for key, value in layer.items() if start <= key < stop)
        if not changed:
            return self._base.scan(start, stop, limit=limit, reverse=reverse)
        # Read as many more rows as layers may hide; rows that a layer adds after the last one found are cut off again.
        stored = self._base.scan(start, stop, limit=limit + len(changed), reverse=reverse)
        rows = [row for row in stored if row[0] not in changed]
        rows += [(key, value) for key, value in changed.items() if value is not None]
        rows.sort(reverse=reverse)
        return rows[:limit]
