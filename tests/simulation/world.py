"""The world that the side effects of a storm act on."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

RICH = 1_000
"""What each account begins with."""

BRIEF_SECONDS = 40.0
"""How long the history of ``Account.forget_me`` is kept after its end."""


@attrs.define(eq=False)
class World:
    """What really happened, outside of every process. What a dead process still does reaches nothing.

    ``story`` is when bodies of steps began and ended, by the step's key, and when processes died, by the virtual clock; ``times`` is
    how often each body began. ``got`` are the values that handlers were given, by invocation and path, with the time: each as
    often as a replay was given it. ``ran`` is which version of the code ran an invocation, and when. ``turns`` are the handlers that
    end in that turn: the invocation, when, and the keys of the steps whose bodies ran at that moment. ``links`` are those that
    people were sent: the question and the address. ``heard`` is where tries of steps began, and each row that they reported: the
    step's key, ``begin`` or ``row``, the row, and when.
    """

    is_alive: bool = False
    times: Counter[str] = attrs.field(factory=Counter)
    got: dict[tuple[str, str], list[tuple[float, Any]]] = attrs.field(factory=lambda: defaultdict(list))
    story: list[tuple[str, str, float]] = attrs.field(factory=list)
    ran: list[tuple[str, float, int]] = attrs.field(factory=list)
    turns: list[tuple[str, float, frozenset[str]]] = attrs.field(factory=list)
    links: list[tuple[str, str]] = attrs.field(factory=list)
    heard: list[tuple[str, str, int, float]] = attrs.field(factory=list)
    _running: set[str] = attrs.field(factory=set)

    def begin(self, key: str) -> int:
        """A body begins; the how-many-th time."""
        if self.is_alive:
            self.story.append(("begin", key, trio.current_time()))
            self.times[key] += 1
            self._running.add(key)
        return self.times[key]

    def end(self, key: str) -> None:
        if self.is_alive:
            self.story.append(("end", key, trio.current_time()))
            self._running.discard(key)

    def turn(self, of: str) -> None:
        """A handler has the turn in which it ends."""
        if self.is_alive:
            self.turns.append((of, trio.current_time(), frozenset(self._running)))

    def post(self, question: str, url: str) -> None:
        """Somebody is sent the link of a question."""
        if self.is_alive and (question, url) not in self.links:
            self.links.append((question, url))

    def hear(self, key: str, row: int, what: str = "row") -> None:
        """A try has come to this row, or begins after it."""
        if self.is_alive:
            self.heard.append((key, what, row, trio.current_time()))

    def give(self, of: str, path: str, value: Any, version: int) -> None:
        if self.is_alive:
            self.ran.append((of, trio.current_time(), version))
            self.got[of, path].append((trio.current_time(), value))

    def begins(self) -> list[tuple[str, float]]:
        """Each beginning of a body: its step's key, and when."""
        return [(key, at) for what, key, at in self.story if what == "begin"]

    def runs(self) -> Iterator[tuple[str, float, frozenset[str]]]:
        """Each beginning of a body: its step's key, when, and the keys of those that ran at that moment."""
        running: set[str] = set()
        for what, key, at in self.story:
            if what == "death":
                running.clear()
            elif what == "end":
                running.discard(key)
            else:
                yield key, at, frozenset(running)
                running.add(key)

    def die(self) -> None:
        """The process that acts on it is gone."""
        self.is_alive = False
        self._running.clear()
        self.story.append(("death", "", trio.current_time()))


@attrs.define
class Stage:
    """Where the classes below act."""

    world: World = attrs.field(factory=World)


STAGE = Stage()


def new_world() -> World:
    """A world in which nothing has happened; the classes below act on it from now on."""
    STAGE.world = World()
    return STAGE.world
