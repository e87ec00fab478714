"""Enforces the limits of outputs, including pieces from threads that wait for the event loop."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from actors.errors import ErrorCode, LimitExceededError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.engine.output_tail import OutputTail
    from actors.values.limits import Limits
    from journal.ids import InvocationId

_NOTHING = (0, 0)


class HasOutputs(Protocol):
    """An object in memory, with the ends of the outputs of its open invocations."""

    outputs: dict[InvocationId, OutputTail] | None


class OutputRoom:
    """The room in the outputs of one partition. A piece that a thread has emitted counts from then on: it is *queued* until the event
    loop takes it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = Lock()
        self._queued: dict[InvocationId, tuple[int, int]] = {}
        """The number and the bytes of the queued pieces."""

    def check(self, loaded: HasOutputs, of: InvocationId, size: int) -> None:
        """Raise :class:`LimitExceededError` unless the output can take one more piece of this size."""
        limits, tail = self._limits, (loaded.outputs or {}).get(of)
        pieces, total = self._queued.get(of, _NOTHING)
        if tail is not None:
            pieces, total = pieces + tail.pieces, total + tail.size
        if pieces < limits.output_pieces and total + size <= limits.output_bytes:
            return
        for name, found, maximum in (
            ("output_pieces", pieces + 1, limits.output_pieces),
            ("output_bytes", total + size, limits.output_bytes),
        ):
            if found > maximum:
                raise LimitExceededError(
                    f"the output of {of} would have {found} {name.removeprefix('output_')}, the limit is {maximum} ({name}). "
                    "Emit less, in another invocation, or raise the limit",
                    limit=name,
                    maximum=maximum,
                    found=found,
                    code=ErrorCode.TOO_MANY,
                )

    def queue(self, loaded: HasOutputs, of: InvocationId, size: int) -> None:
        """Count a piece that waits for the event loop, unless there is no room for it: raises as :meth:`check`. May be called in
        any thread."""
        with self._lock:
            self.check(loaded, of, size)
            pieces, total = self._queued.get(of, _NOTHING)
            self._queued[of] = pieces + 1, total + size

    @contextmanager
    def dequeued(self, of: InvocationId, size: int) -> Iterator[None]:
        """Stop counting a piece as queued after the block has added it to the output or dropped it."""
        with self._lock:  # until then, so that a thread counts it once
            try:
                yield
            finally:
                pieces, total = self._queued.pop(of)
                if pieces > 1:
                    self._queued[of] = pieces - 1, total - size
