"""The output of an invocation for readers, the same from a runtime in this process and from a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.core.output import OutputKind
from actors.values import parse
from journal.ids import ROOT_STEP, StepId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from actors.core.output import Mark, MarkFilter


@attrs.frozen(kw_only=True)
class OutputChunk:
    """One piece of an invocation's output.

    ``number`` is its position in the output, which ``after`` accepts; ``at`` is wall seconds. ``attempt`` is the try of the ``step``
    that emitted it, and ``offset`` its index in that try. For a piece of the handler itself, ``step`` is empty, ``attempt`` is 0, and
    ``offset`` counts its own pieces. A chunk of the kind ``reset`` is not a piece: it declares
    the pieces of the step so far void, because the step is retried. ``stream`` is the name of its stream, or empty::

        async for chunk in handle.chunks(live=True):
            if chunk.is_reset:
                shown[chunk.step].clear()
            else:
                shown[chunk.step].append(chunk.value)
    """

    kind: OutputKind
    number: int
    at: float
    step: StepId = ROOT_STEP
    attempt: int = 0
    offset: int = 0
    value: Any = None
    stream: str = ""

    @property
    def is_reset(self) -> bool:
        """Whether the chunk declares the pieces of its step so far void."""
        return self.kind is OutputKind.RESET


def chunk_of(mark: Mark) -> OutputChunk:
    """Convert a mark to its public form."""
    return OutputChunk(
        kind=mark.kind,
        number=mark.number,
        at=mark.at,
        step=mark.step,
        attempt=mark.attempt,
        offset=mark.offset,
        value=parse(mark.value) if mark.kind is OutputKind.CHUNK else None,
        stream=mark.stream,
    )


class Chunks:
    """Iterates over the output."""

    def __init__(self, marks: AsyncIterator[OutputChunk], view: MarkFilter[OutputChunk]) -> None:
        self._marks = marks
        self._view = view
        self._ready: list[OutputChunk] = []
        self._is_over = False

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> OutputChunk:
        while not self._ready:
            if self._is_over:
                raise StopAsyncIteration
            self._ready = [*await self._next()][::-1]
        return self._ready.pop()

    async def _next(self) -> Iterable[OutputChunk]:
        try:
            return self._view.feed(await anext(self._marks))
        except StopAsyncIteration:
            self._is_over = True
            return ()  # without the mark of the end, pieces of a running step may still become void


class Values:
    """Iterates over the values of the pieces."""

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks

    def __aiter__(self) -> Values:
        return self

    async def __anext__(self) -> Any:
        return (await anext(self._chunks)).value
