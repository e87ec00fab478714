"""What scenes are made of (``tests.simulation.scenes``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from tests.simulation.disk import Weather
from tests.simulation.plan import Deed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

LONG: list[Any] = ["step", 1.5, 0.3, 0]
"""A step that is under way for a while, and takes a while to stop."""


@attrs.frozen(kw_only=True)
class Scene:
    """What leads to a situation. ``partitions`` is 0 where any number will do. ``then`` are deeds of the next process, which serves
    other code, with ``then_weather``; code that ``differs`` does something else."""

    deeds: list[Deed]
    then: list[Deed] = attrs.field(factory=list)
    then_weather: Weather = attrs.field(factory=Weather)
    differs: bool = False
    seconds: float = 4.0
    partitions: int = 0
    limits: dict[str, Any] = attrs.field(factory=dict)
    weather: Weather = attrs.field(factory=Weather)


@attrs.frozen
class Props:
    """What scenes are made of: dice, and numbers that no other work has."""

    random: Random
    numbers: Iterator[int]

    def number(self) -> int:
        return next(self.numbers)

    def moment(self, earliest: float, latest: float) -> float:
        return round(self.random.uniform(earliest, latest), 2)

    def ask(self, at: float, key: str, number: int, program: list[Any], delay: float | None = None) -> Deed:
        return Deed(at=at, what="ask", given=[key, number, program, delay])

    def steer(self, at: float, verb: str, work: int, which: int = 0, /, **options: Any) -> Deed:
        """Steer the work of this number: the first, or one that repeats it."""
        return Deed(at=at, what="steer", given=[verb, f"number {work}", which, options])

    def signal(self, at: float, work: int, name: str, which: int = 0) -> Deed:
        return self.steer(at, "signal", work, which, name=name, number=self.number())

    def restart(self, at: float, work: int, step: Any, *, stop: str = "kill", rewind_state: bool = False) -> Deed:
        return self.steer(at, "restart", work, step=step, stop=stop, rewind_state=rewind_state, input=False)
