"""Counts the responses of a server."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator


@attrs.define(eq=False)
class Traffic:
    """The responses that a server has given, and those in progress."""

    answered: dict[tuple[str, int], int] = attrs.field(factory=dict)
    streams: int = 0
    started_at: float = attrs.field(factory=time.time)

    def note(self, method: str, status: int) -> None:
        """Count a response."""
        self.answered[method, status] = self.answered.get((method, status), 0) + 1

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Count an open stream of events for the block."""
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1
