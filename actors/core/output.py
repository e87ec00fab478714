"""The output of an invocation, and which pieces of it count.

A step that is retried emits its output again. Every piece is recorded, with its try and its offset within that run of the step's
body. The pieces of a failed or interrupted try are *void*; the pieces of the successful try count. A handler's own pieces are never void,
because they are committed together with their turn. ``journal.output`` describes how pieces are stored. Marks between the pieces say
which pieces are void and which are final.

Readers choose one of two views of the same marks. The *settled* view yields each piece that counts exactly once, in order, as soon
as the piece can no longer become void and no piece before it is undecided. The *live* view yields every piece at once, and reports
when the pieces of a step have become void.
"""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import attrs

from journal import events as e
from journal.events import OutcomeKind
from journal.ids import ROOT_STEP, InvocationId, StepId
from journal.output import OutputRun, RunKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from journal.events import Event


class OutputKind(enum.Enum):
    """The kind of a mark: a piece, the mark that a step's pieces so far are void, the mark that they are final, or the end of the output."""

    CHUNK = "chunk"
    RESET = "reset"
    KEPT = "kept"
    END = "end"


@attrs.frozen(kw_only=True)
class Mark:
    """An entry of the output, at position ``number``. ``attempt`` is 0 for the handler's own pieces."""

    kind: OutputKind
    number: int
    at: float
    step: StepId = ROOT_STEP
    attempt: int = 0
    offset: int = 0
    value: bytes = b""
    stream: str = ""


def marks_of(run: OutputRun, after: int = 0) -> Iterator[Mark]:
    """Yield the marks of a run with positions above ``after``."""
    if run.kind is not RunKind.PIECES:
        kind = OutputKind.RESET if run.kind is RunKind.VOID else OutputKind.KEPT
        yield Mark(kind=kind, number=run.first, at=run.at, step=run.step, attempt=run.attempt)
        return
    skipped = max(0, after + 1 - run.first)
    for index in range(skipped, len(run.values)):
        yield Mark(
            kind=OutputKind.CHUNK,
            number=run.first + index,
            at=run.at,
            step=run.step,
            attempt=run.attempt,
            offset=run.offset + index,
            value=run.values[index],
            stream=run.stream,
        )


@attrs.frozen
class Decision:
    """The end of a step or of one of its tries, which makes the pieces so far void or final."""

    invocation_id: InvocationId
    step: StepId
    attempt: int
    kind: RunKind


def decision_of(event: Event) -> Decision | None:
    """Return the decision about a step's pieces that follows from the event, or None."""
    match event:
        case e.StepAttemptFailed():
            return Decision(event.invocation_id, event.step, event.attempt, RunKind.VOID)
        case e.StepCompleted():
            kind = RunKind.VOID if event.outcome.kind is OutcomeKind.FAILED else RunKind.FINAL
            return Decision(event.invocation_id, event.step, 0, kind)
        case e.StepAborted():
            return Decision(event.invocation_id, event.step, 0, RunKind.FINAL)
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
    def stream(self) -> str: ...


M = TypeVar("M", bound=Marked)


class MarkFilter(Protocol[M]):
    """A filter for one reader. It yields each mark as soon as the reader may see it."""

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
    """Yields every piece at once, and a reset when the pieces of a step so far become void.

    A reader that continues after an interruption (``is_resumed``) may have received pieces from another view, so it gets every reset of a
    step until the step's pieces are final.
    """

    def __init__(self, *, is_resumed: bool = False) -> None:
        self._open: set[StepId] = set()
        self._is_resumed = is_resumed
        self._known: set[StepId] = set()

    def feed(self, mark: M) -> Iterator[M]:
        """Yield the pieces and resets that follow from the mark."""
        match mark.kind:
            case OutputKind.CHUNK if mark.attempt == 0:
                yield mark
            case OutputKind.CHUNK:
                self._open.add(mark.step)
                yield mark
            case OutputKind.RESET:
                if mark.step in self._open or (self._is_resumed and mark.step not in self._known):
                    yield mark
                self._close(mark.step)
            case OutputKind.KEPT:
                self._close(mark.step)
            case OutputKind.END:
                self._open.clear()

    def flush(self) -> Iterable[M]:
        """Return no marks, because this view delays no piece."""
        return ()

    def _close(self, step: StepId) -> None:
        self._open.discard(step)
        if self._is_resumed:
            self._known.add(step)


class StreamView(Generic[M]):
    """Yields the pieces of one stream from another view, which does not get the pieces of other streams."""

    def __init__(self, of: MarkFilter[M], stream: str) -> None:
        self._of = of
        self._stream = stream

    def feed(self, mark: M) -> Iterable[M]:
        """Return the marks that the reader may see after this mark."""
        return () if mark.kind is OutputKind.CHUNK and mark.stream != self._stream else self._of.feed(mark)

    def flush(self) -> Iterable[M]:
        """Return the marks that the view has delayed."""
        return self._of.flush()


class WholeView(Generic[M]):
    """Yields every mark, for a view that is computed elsewhere."""

    def feed(self, mark: M) -> Iterable[M]:
        """Return only the mark itself."""
        return (mark,)

    def flush(self) -> Iterable[M]:
        """Return no marks, because this view delays no mark."""
        return ()


@attrs.frozen
class KeptOutput:
    """The part of an output that a restart keeps: the handler's own pieces that were recorded before event ``before``, and the pieces
    of ``steps`` that are not void. ``events`` are the numbers of the kept events in the original, in order."""

    before: int
    steps: frozenset[StepId]
    events: tuple[int, ...] = ()

    def of(self, runs: Iterable[OutputRun]) -> list[OutputRun]:
        """Return the kept runs, which are all pieces, in order."""
        runs = [*runs]
        undecided: dict[StepId, list[int]] = {}
        void: set[int] = set()
        for index, run in enumerate(runs):
            if run.kind is RunKind.VOID:
                void.update(undecided.pop(run.step, ()))
            elif run.kind is RunKind.FINAL:
                undecided.pop(run.step, None)
            elif run.attempt:
                undecided.setdefault(run.step, []).append(index)
        return [
            run
            for index, run in enumerate(runs)
            if run.kind is RunKind.PIECES
            and (run.step in self.steps and index not in void if run.attempt else run.after < self.before)
        ]

    def after_in_copy(self, run: OutputRun, before_first: int) -> int:
        """Return the number of the copied event after which the run comes in the copy. ``before_first`` is the number before the
        first copied event."""
        return before_first + bisect_right(self.events, run.after)


NO_OUTPUT = KeptOutput(0, frozenset())
