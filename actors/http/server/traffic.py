"""What a server answers, counted."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator


@attrs.define(eq=False)
class Traffic:
    """What a server has answered, and what it is answering."""

    answered: dict[tuple[str, int], int] = attrs.field(factory=dict)
    streams: int = 0
    started_at: float = attrs.field(factory=time.time)

    def note(self, method: str, status: int) -> None:
        """A request has its answer."""
        self.answered[method, status] = self.answered.get((method, status), 0) + 1

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """A stream of events is open for the block."""
        self.streams += 1
        try:
            yield
        finally:
            self.streams -= 1
