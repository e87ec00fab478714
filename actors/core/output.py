"""The output of an invocation, and which pieces of it count.

A step that is retried emits its output again. Every piece is recorded, with its try and its offset within that run of the step's
body. Pieces of a try that failed, or that was cut off and run again, are *void*; the pieces of the try that did not fail count. A
handler's own pieces are never void, because they are recorded with a turn that holds.

Readers choose one of two views of the same marks. The *settled* view gives each piece that counts exactly once, in order, as soon
as the piece can no longer become void and no piece before it is undecided. The *live* view gives every piece at once, and reports
when the output of a step so far has become void.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

import attrs

from journal import events as e
from journal.events import OutcomeKind
from journal.ids import ROOT_STEP, StepId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from journal.events import Recorded


class OutputKind(enum.Enum):
    """The kind of a mark: a piece, a step whose pieces so far are void, a step whose pieces are final, or the end of
    the output."""

    CHUNK = "chunk"
    RESET = "reset"
    KEPT = "kept"
    END = "end"


@attrs.frozen(kw_only=True)
class Mark:
    """A change of the output, recorded by event ``number``. ``attempt`` is 0 for the handler's own pieces."""

    kind: OutputKind
    number: int
    at: float
    step: StepId = ROOT_STEP
    attempt: int = 0
    offset: int = 0
    value: bytes = b""

    def as_reset(self) -> Mark:
        """Return the mark that declares all earlier pieces of this piece's step void."""
        return attrs.evolve(self, kind=OutputKind.RESET, number=self.number - 1, value=b"")


def mark_of(recorded: Recorded) -> Mark | None:
    """Return the mark that the event makes, or None."""
    event, number, at = recorded.event, recorded.number, recorded.stamp.at
    match event:
        case e.OutputEmitted():
            return Mark(
                kind=OutputKind.CHUNK,
                number=number,
                at=at,
                step=event.step,
                attempt=event.attempt,
                offset=event.offset,
                value=event.value,
            )
        case e.StepAttemptFailed():
            return Mark(kind=OutputKind.RESET, number=number, at=at, step=event.step, attempt=event.attempt)
        case e.StepCompleted():
            failed = event.outcome.kind is OutcomeKind.FAILED
            return Mark(kind=OutputKind.RESET if failed else OutputKind.KEPT, number=number, at=at, step=event.step)
        case e.StepAborted():
            return Mark(kind=OutputKind.KEPT, number=number, at=at, step=event.step)
        case e.InvocationCompleted():
            return Mark(kind=OutputKind.END, number=number, at=at)
    return None


class Marked(Protocol):
    """The fields of a mark that a view needs, in the server and in a client."""

    @property
    def kind(self) -> OutputKind: ...
    @property
    def step(self) -> StepId: ...
    @property
    def attempt(self) -> int: ...
    @property
    def offset(self) -> int: ...
    def as_reset(self) -> Self: ...


M = TypeVar("M", bound=Marked)


class MarkFilter(Protocol[M]):
    """A filter for one reader: it yields each mark once the reader may see it."""

    def feed(self, mark: M) -> Iterable[M]: ...
    def flush(self) -> Iterable[M]: ...


@attrs.define(eq=False)
class _Held(Generic[M]):
    """A piece, and whether it counts; None while that is undecided."""

    mark: M
    counts: bool | None


class SettledView(Generic[M]):
    """Yields each piece that counts once, in order. ``feed`` it the marks, and call ``flush`` at the end."""

    def __init__(self) -> None:
        self._held: deque[_Held[M]] = deque()
        self._open: dict[StepId, list[_Held[M]]] = {}

    def feed(self, mark: M) -> Iterator[M]:
        """Yield the pieces that are settled by this mark."""
        match mark.kind:
            case OutputKind.CHUNK:
                self._add(mark)
            case OutputKind.RESET | OutputKind.KEPT:
                self._decide(mark.step, counts=mark.kind is OutputKind.KEPT)
            case OutputKind.END:
                yield from self.flush()
        yield from self._settled()

    def flush(self) -> Iterator[M]:
        """Yield the undecided pieces. They count now, because no later mark can make them void."""
        for step in list(self._open):
            self._decide(step, counts=True)
        yield from self._settled()

    def _add(self, mark: M) -> None:
        if mark.attempt == 0:
            self._held.append(_Held(mark, counts=True))
            return
        if mark.offset == 0:
            self._decide(mark.step, counts=False)
        held: _Held[M] = _Held(mark, counts=None)
        self._held.append(held)
        self._open.setdefault(mark.step, []).append(held)

    def _decide(self, step: StepId, *, counts: bool) -> None:
        for held in self._open.pop(step, ()):
            held.counts = counts

    def _settled(self) -> Iterator[M]:
        while self._held and self._held[0].counts is not None:
            held = self._held.popleft()
            if held.counts:
                yield held.mark


class LiveView(Generic[M]):
    """Yields every piece at once, and a reset when the pieces of a step so far become void."""

    def __init__(self) -> None:
        self._open: set[StepId] = set()

    def feed(self, mark: M) -> Iterator[M]:
        """Yield the pieces and resets that follow from the mark."""
        match mark.kind:
            case OutputKind.CHUNK if mark.attempt == 0:
                yield mark
            case OutputKind.CHUNK:
                if mark.offset == 0 and mark.step in self._open:
                    yield mark.as_reset()
                self._open.add(mark.step)
                yield mark
            case OutputKind.RESET:
                if mark.step in self._open:
                    yield mark
                self._open.discard(mark.step)
            case OutputKind.KEPT:
                self._open.discard(mark.step)
            case OutputKind.END:
                self._open.clear()

    def flush(self) -> Iterable[M]:
        """Return no marks, because no piece is held back."""
        return ()


class WholeView(Generic[M]):
    """Yields every mark, for a view that is computed elsewhere."""

    def feed(self, mark: M) -> Iterable[M]:
        """Return only the mark itself."""
        return (mark,)

    def flush(self) -> Iterable[M]:
        """Return no marks, because no mark is held back."""
        return ()


def void_pieces(history: Iterable[Recorded]) -> frozenset[int]:
    """Return the numbers of the events whose pieces are known to be void."""
    view, emitted, counted = SettledView[Mark](), set[int](), set[int]()
    for recorded in history:
        mark = mark_of(recorded)
        if mark is not None:
            if mark.kind is OutputKind.CHUNK:
                emitted.add(mark.number)
            counted |= {settled.number for settled in view.feed(mark)}
    counted |= {settled.number for settled in view.flush()}
    return frozenset(emitted - counted)
