"""Suites that do as much as fits into their time: they print the count that they reached, and no slow machine makes them fail."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator


@attrs.define
class Box:
    """Up to ``goal`` rounds, while its ``seconds`` are not over; ``floor`` rounds in any case."""

    goal: int
    seconds: float
    floor: int
    done: int = 0
    _began: float = attrs.field(factory=time.monotonic)

    def __iter__(self) -> Iterator[int]:
        while self.done < self.goal and (self.done < self.floor or self._taken() < self.seconds):
            yield self.done
            self.done += 1

    def __str__(self) -> str:
        return f"{self.done} of {self.goal} in {self._taken():.0f} s"

    def _taken(self) -> float:
        return time.monotonic() - self._began


def box(name: str, *, goal: int, seconds: float, floor: int) -> Box:
    """One that the environment may make larger: ``CRASH_KILLS=5000`` and ``CRASH_KILLS_SECONDS=3600`` for the name ``kills``."""
    variable = f"CRASH_{name.upper()}"
    return Box(int(os.environ.get(variable, goal)), float(os.environ.get(f"{variable}_SECONDS", seconds)), floor)
