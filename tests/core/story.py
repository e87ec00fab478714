"""Given these events, when this is asked, then those follow: what the core promises, in its own words.

A story folds events through ``evolve``, asks ``decide``, and folds what follows as well, asking ``react`` before each event.
On the way it watches what ``decide`` and ``react`` promise by their names: that they change nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from actors.core.decide import decide
from actors.core.evolve import evolve
from actors.core.gates import NO_GATES, Gate, Gates
from actors.core.react import react
from actors.errors import TerminalError
from actors.values.limits import DEFAULT_LIMITS
from journal import events as e
from journal.events import Kind, Stamp
from journal.ids import InvocationId, invocation_id, stream_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from actors.core.commands import Decidable
    from actors.core.effects import Effect
    from actors.core.state import InvocationState, ObjectState
    from actors.values.limits import Limits
    from journal.events import Event, Status

NOW = 10_000.0
"""When commands are decided, unless a story says otherwise; wall seconds, later than every event of a story's beginning."""

SERVICE, KEY = "Door", "front"
STREAM = stream_of(SERVICE, KEY)
ELSEWHERE = stream_of("Bank", "alice")
CREATED = e.ObjectCreated(service=SERVICE, key=KEY, kind=Kind.ACTOR)

_encode = msgspec.msgpack.Encoder().encode


def nth(number: int) -> InvocationId:
    """The id of the object's n-th invocation."""
    return invocation_id(STREAM, number)


def stamp_of(number: int) -> Stamp:
    """A stamp as the n-th event of a story has it."""
    return Stamp(at=float(number), cause=f"#{number - 1}", by="tests")


def fold(state: ObjectState | None, events: Iterable[Event]) -> ObjectState | None:
    """The object after these events."""
    for event in events:
        number = 1 if state is None else state.version + 1
        state = evolve(state, number, stamp_of(number), event)
    return state


class Story:
    """An object, and what came of the last command. Ask one thing after the other: a story goes on."""

    def __init__(self, state: ObjectState | None, limits: Limits) -> None:
        self.state = state
        self.events: list[Event] = []
        self.effects: list[Effect] = []
        self.refusal: TerminalError | None = None
        self._limits = limits
        self._gates = NO_GATES

    def under(self, *gates: Gate) -> Story:
        """From here on these are in force, and no others."""
        self._gates = Gates(gates)
        return self

    def when(self, command: Decidable, *, now: float = NOW) -> Story:
        """Ask; what follows happens to the object, unless it refuses."""
        self.events, self.effects, self.refusal = [], [], None
        before = _encode(self.state)
        try:
            events = decide(self.state, command, now, self._limits, self._gates)
        except TerminalError as refusal:
            self.refusal, events = refusal, []
        assert _encode(self.state) == before, f"deciding {command} changed the object"
        for event in events:
            before = _encode(self.state)
            self.effects += react(self.state, event)
            assert _encode(self.state) == before, f"reacting to {event} changed the object"
            self.state = fold(self.state, [event])
        self.events = events
        return self

    def then(self, *events: Event) -> Story:
        """Exactly these events followed."""
        expected = list(events)
        assert self.events == expected, _difference("events", expected, self.events, self.refusal)
        return self

    def then_nothing(self) -> Story:
        """Nothing followed, and that was all right."""
        assert self.refusal is None, _difference("events", [], [], self.refusal)
        return self.then()

    def then_refused(self, kind: type[TerminalError], match: str = "", /, **attributes: object) -> Story:
        """It was refused, with exactly this type and these attributes, for a reason that says ``match``."""
        expected = f"{kind.__name__} matching {match!r} with {attributes}"
        found = _difference("answer", [expected], self.events, self.refusal)
        assert type(self.refusal) is kind, found
        assert re.search(match, str(self.refusal)), found
        assert {name: getattr(self.refusal, name) for name in attributes} == attributes, found
        return self

    def owes(self, *effects: Effect) -> Story:
        """Exactly these effects are owed for what followed, in this order."""
        expected = list(effects)
        assert self.effects == expected, _difference("effects", expected, self.effects, self.refusal)
        return self

    def leaves(self, of: InvocationId, status: Status | None) -> Story:
        """The invocation is now like this; ``None``: the object no longer knows it."""
        found = self.status_of(of)
        assert found is status, _difference("status", [status], [found], self.refusal)
        return self

    def invocation(self, of: InvocationId) -> InvocationState:
        """What the object knows of an invocation that has not ended."""
        assert self.state is not None
        return self.state.invocations[of]

    def status_of(self, of: InvocationId) -> Status | None:
        """How it stands with an invocation."""
        invocation = None if self.state is None else self.state.invocations.get(of)
        return None if invocation is None else invocation.status


def given(*events: Event, limits: Limits = DEFAULT_LIMITS) -> Story:
    """An object to which this has happened. That it was created goes without saying."""
    begins = events if events and isinstance(events[0], e.ObjectCreated) else (CREATED, *events)
    return Story(fold(None, begins), limits)


def given_nothing(*, limits: Limits = DEFAULT_LIMITS) -> Story:
    """No object yet."""
    return Story(None, limits)


def _difference(what: str, expected: Sequence[object], found: Sequence[object], refusal: BaseException | None) -> str:
    lines = [f"other {what} than promised", "  expected:", *_shown(expected), "  found:", *_shown(found)]
    if refusal is not None:
        lines.append(f"  refused: {type(refusal).__name__}: {refusal}")
    return "\n".join(lines)


def _shown(entries: Sequence[object]) -> list[str]:
    return [f"    {entry}" for entry in entries] or ["    nothing"]
