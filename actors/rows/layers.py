"""Rows covered by uncommitted changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from journal.kv.store import SCAN_PAGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from journal.kv.store import Readable


@attrs.frozen
class Layer:
    """Uncommitted changes: ``rows``, with None for a row that is removed, and ``cleared``, ranges from which the layer removes every row
    below it that it does not have itself. A scan must lie in a cleared range, or outside of it. Both may grow."""

    rows: Mapping[bytes, bytes | None]
    cleared: Sequence[tuple[bytes, bytes]] = ()


class LayeredRows:
    """The rows of ``base`` under layers of changes, topmost first.

    The engine puts commits that are not on disk yet over its journal, so that an object reads its own writes. A reader of the
    past puts former rows over current ones.
    """

    def __init__(self, base: Readable, *layers: Layer) -> None:
        self._base = base
        self.layers = list(layers)
        """The changes. The lowest layer is removed once the base has received it."""

    def get(self, key: bytes) -> bytes | None:
        """Return the row's value, or None."""
        for layer in self.layers:
            if key in layer.rows:
                return layer.rows[key]
            if layer.cleared and _clears(layer, key):
                return None
        return self._base.get(key)

    def scan(
        self, start: bytes, stop: bytes, *, limit: int = SCAN_PAGE, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """Return at most ``limit`` rows in ``[start, stop)``, in order, or from the end if ``reverse``."""
        changed: dict[bytes, bytes | None] = {}
        is_cleared = False
        for layer in reversed(self.layers):
            if layer.cleared and _clears(layer, start):
                is_cleared = True
                changed.clear()
            changed.update((key, value) for key, value in layer.rows.items() if start <= key < stop)
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
            if key in layer.rows or (layer.cleared and _clears(layer, key)):
                return True
        return False


def _clears(layer: Layer, key: bytes) -> bool:
    return any(start <= key < stop for start, stop in layer.cleared)
