"""What an invocation emits, and which of it counts.

A step that is tried again emits again. All of it is recorded, each piece with the try that it came from and its offset in that
run of the step's body. The *line* of a step is what its try emitted that did not fail; what a try emitted that failed, or that
was cut off and run again, is void. A handler's own pieces are never void: they are recorded with a turn that holds.

Two views go through the same marks. The settled one gives each piece of a line once, in the order in which they were emitted, as
soon as it is known that it will not become void, and that nothing before it is open. The live one gives every piece when it
comes, and says when what a step has emitted so far is void.
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
    """What happens to the output: another piece; what a step has emitted so far is void; it is final; all has ended."""

    CHUNK = "chunk"
    RESET = "reset"
    KEPT = "kept"
    END = "end"


@attrs.frozen(kw_only=True)
class Mark:
    """Something that happens to the output, by the event ``number``. ``attempt`` is 0 for the handler's own pieces."""

    kind: OutputKind
    number: int
    at: float
    step: StepId = ROOT_STEP
    attempt: int = 0
    offset: int = 0
    value: bytes = b""

    def as_reset(self) -> Mark:
        """The mark that says that what came before this piece is void."""
        return attrs.evolve(self, kind=OutputKind.RESET, number=self.number - 1, value=b"")


def mark_of(recorded: Recorded) -> Mark | None:
    """What an event means for the output."""
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
    """What a view must know: of a mark, or of the same for readers."""

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
    """Gives of the marks that it is fed with those that a reader wants, when the reader may have them."""

    def feed(self, mark: M) -> Iterable[M]: ...
    def flush(self) -> Iterable[M]: ...


@attrs.define(eq=False)
class _Held(Generic[M]):
    """A piece whose fate is open (None), or that counts, or does not."""

    mark: M
    counts: bool | None


class SettledView(Generic[M]):
    """Gives each piece that counts once, in order. ``feed`` it with marks, and let it ``flush`` when no more come."""

    def __init__(self) -> None:
        self._held: deque[_Held[M]] = deque()
        self._open: dict[StepId, list[_Held[M]]] = {}

    def feed(self, mark: M) -> Iterator[M]:
        """The pieces that are settled by the mark."""
        match mark.kind:
            case OutputKind.CHUNK:
                self._add(mark)
            case OutputKind.RESET | OutputKind.KEPT:
                self._decide(mark.step, counts=mark.kind is OutputKind.KEPT)
            case OutputKind.END:
                yield from self.flush()
        yield from self._settled()

    def flush(self) -> Iterator[M]:
        """What is still open, as no later mark can make it void."""
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
    """Gives every piece at once, and a reset where those that a step has emitted so far are void."""

    def __init__(self) -> None:
        self._open: set[StepId] = set()

    def feed(self, mark: M) -> Iterator[M]:
        """The pieces and resets that follow from the mark."""
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
        """Nothing is held back."""
        return ()


class WholeView(Generic[M]):
    """Gives every mark: what another view needs, elsewhere."""

    def feed(self, mark: M) -> Iterable[M]:
        """The mark."""
        return (mark,)

    def flush(self) -> Iterable[M]:
        """Nothing is held back."""
        return ()


def void_pieces(history: Iterable[Recorded]) -> frozenset[int]:
    """The numbers of the events with pieces that do not count, as far as that is known."""
    view, emitted, counted = SettledView[Mark](), set[int](), set[int]()
    for recorded in history:
        mark = mark_of(recorded)
        if mark is not None:
            if mark.kind is OutputKind.CHUNK:
                emitted.add(mark.number)
            counted |= {settled.number for settled in view.feed(mark)}
    counted |= {settled.number for settled in view.flush()}
    return frozenset(emitted - counted)
