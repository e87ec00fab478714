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
        self._cleared: list[tuple[Mapping[bytes, bytes | None], bytes, bytes]] = []

    def clear(self, layer: Mapping[bytes, bytes | None], start: bytes, stop: bytes) -> None:
        """Hide the rows in ``[start, stop)`` of all that is below the layer. A scan must lie in the range, or outside of it."""
        self._cleared.append((layer, start, stop))

    def drop_lowest(self) -> None:
        """Remove the lowest layer: the base has received it."""
        lowest = self.layers.pop()
        if self._cleared:
            self._cleared = [cleared for cleared in self._cleared if cleared[0] is not lowest]

    def get(self, key: bytes) -> bytes | None:
        """Return the row's value, or None."""
        for layer in self.layers:
            if key in layer:
                return layer[key]
            if self._cleared and self._clears(layer, key):
                return None
        return self._base.get(key)

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """Return at most ``limit`` rows in ``[start, stop)``, in order, or from the end if ``reverse``."""
        changed: dict[bytes, bytes | None] = {}
        is_cleared = False
        for layer in reversed(self.layers):
            if self._cleared and self._clears(layer, start):
                is_cleared = True
                changed.clear()
            changed.update((key, value) for key, value in layer.items() if start <= key < stop)
        if not changed and not is_cleared:
            return self._base.scan(start, stop, limit=limit, reverse=reverse)
        # Read as many more rows as layers may hide; rows that a layer adds after the last one found are cut off again.
        stored = [] if is_cleared else self._base.scan(start, stop, limit=limit + len(changed), reverse=reverse)
        rows = [row for row in stored if row[0] not in changed]
        rows += [(key, value) for key, value in changed.items() if value is not None]
        rows.sort(reverse=reverse)
        return rows[:limit]

    def is_changed(self, key: bytes) -> bool:
        """Report whether a layer has, or hides, the row."""
        for layer in self.layers:  # noqa: SIM110 - a generator takes three times as long
            if key in layer or (self._cleared and self._clears(layer, key)):
                return True
        return False

    def _clears(self, layer: Mapping[bytes, bytes | None], key: bytes) -> bool:
        return any(at is layer and start <= key < stop for at, start, stop in self._cleared)
