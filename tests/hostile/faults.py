"""Faults of the engine's own, planted where it works for one object: a defence behind those that a user's values meet first."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import pytest

import actors.engine.completed_invocations as completed_invocations
import actors.engine.executor as executor
import actors.engine.machine as machine
import actors.engine.sealer as sealer
import journal.codec as codec
from actors.core import effects as f
from journal import events as e
from journal.ids import stream_of_invocation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from journal.ids import StreamId

EVENTS: tuple[type, ...] = (
    e.InvocationAccepted,
    e.InvocationStarted,
    e.StepScheduled,
    e.StepAttemptFailed,
    e.StepCompleted,
    e.SleepScheduled,
    e.TimerFired,
    e.SignalAwaited,
    e.SignalReceived,
    e.CallScheduled,
    e.CallCompleted,
    e.SendScheduled,
    e.FieldsChanged,
    e.LogExtended,
    e.MapChanged,
    e.AttemptFailed,
    e.InvocationPaused,
    e.InvocationCompleted,
)
READ_AGAIN = tuple(kind for kind in EVENTS if codec._CODES[kind][1] is not None)
EFFECTS: tuple[type, ...] = (f.StartAttempt, f.Continue, f.EndAttempt, f.Deliver, f.SetTimer, f.RunStep, f.WriteItems)
FUNCTIONS = {
    "index_invocation": sealer,
    "index_name": sealer,
    "index_owing": sealer,
    "index_items": machine,
    "note": machine,
    "row_of": completed_invocations,
}

PLACES: dict[str, tuple[str, ...]] = {
    "evolving": tuple(kind.__name__ for kind in EVENTS),
    "encoding": tuple(kind.__name__ for kind in EVENTS),
    "what_is_encoded": tuple(kind.__name__ for kind in READ_AGAIN),
    "doing": tuple(kind.__name__ for kind in EFFECTS),
    "calling": tuple(FUNCTIONS),
}
"""Where the engine can be made to fail, and at what."""


def _is_read_again(event: Any) -> bool:
    """Whether a user may have written a part of it, so that it is read again before it joins a batch."""
    _, _, is_without = codec._CODES[type(event)]
    return is_without is None or not is_without(event)


class Planted(BaseException):
    """Not even an ``Exception``."""


@attrs.define(eq=False)
class Fault:
    """One place of the engine that fails for one object, the ``nth`` time that it is passed, and each time after it if ``lasts``."""

    place: str
    what: str
    nth: int
    lasts: bool
    stream: StreamId
    key: str
    passed: int = 0

    @contextmanager
    def planted(self) -> Iterator[None]:
        """It is there as long as the block."""
        with pytest.MonkeyPatch.context() as patch:
            getattr(self, f"_in_{self.place}")(patch)
            yield

    @property
    def has_happened(self) -> bool:
        """Whether anything has failed."""
        return self.passed >= self.nth

    def _meet(self, *arguments: Any) -> None:
        if any(map(self._concerns, arguments)):
            self.passed += 1
            if self.passed == self.nth or (self.lasts and self.has_happened):
                raise Planted(f"{self.place} {self.what}")

    def _concerns(self, argument: Any) -> bool:
        """Whether it is the object, its state, or an event of one of its invocations."""
        of = getattr(argument, "invocation_id", None)
        stream = stream_of_invocation(of) if type(of) is str else getattr(argument, "stream", argument)
        return stream == self.stream or getattr(argument, "key", None) == self.key

    def _in_evolving(self, patch: pytest.MonkeyPatch) -> None:
        evolve = machine.evolve

        def broken(state: Any, number: int, stamp: Any, event: Any) -> Any:
            after = evolve(state, number, stamp, event)
            if type(event).__name__ == self.what:
                self._meet(event)  # the state has been changed by half
            return after

        patch.setattr(machine, "evolve", broken)

    def _in_encoding(self, patch: pytest.MonkeyPatch) -> None:
        encode = codec._encode

        def broken(event: Any) -> bytes:
            if type(event).__name__ == self.what:
                self._meet(event)
            return encode(event)

        patch.setattr(codec, "_encode", broken)

    def _in_what_is_encoded(self, patch: pytest.MonkeyPatch) -> None:
        """It is written, and cannot be read."""
        encode = codec._encode

        def broken(event: Any) -> bytes:
            if type(event).__name__ == self.what and _is_read_again(event):
                try:
                    self._meet(event)
                except Planted:
                    return b"\xc1"
            return encode(event)

        patch.setattr(codec, "_encode", broken)

    def _in_doing(self, patch: pytest.MonkeyPatch) -> None:
        kind = getattr(f, self.what)
        deeds: Any = machine._DEEDS if kind in machine._DEEDS else executor._DEEDS
        done: Any = deeds[kind]

        def broken(its: Any, loaded: Any, effect: Any, recorded: Any) -> None:
            self._meet(loaded)
            done(its, loaded, effect, recorded)

        patch.setitem(deeds, kind, broken)

    def _in_calling(self, patch: pytest.MonkeyPatch) -> None:
        module = FUNCTIONS[self.what]
        done = getattr(module, self.what)

        def broken(*args: Any, **kwargs: Any) -> Any:
            self._meet(*args)
            return done(*args, **kwargs)

        patch.setattr(module, self.what, broken)
