"""The async generators of one handler: kept until it ends, and never finalised by other code.

An async generator that is left before its end (``break``, an exception) still has its cleanup ahead of it. Python leaves that
to the event loop, at the moment when the generator is collected as garbage: under trio's hooks in a system task of trio's,
without hooks wherever the collector strikes (in another handler's turn, in a worker thread), and in every replay at another
moment. So every turn of a handler has hooks of its own. The handler keeps the generators that it has begun, so that none of
them is collected while it lives; when it ends, those that are left are closed, the last one first, without durable operations.
Cleanup that needs them belongs into ``async with contextlib.aclosing(...)``, which closes the generator where it is left.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_LOOK = 16
"""How many generators may be kept before those that have ended are let go."""


class Generators:
    """The async generators that a handler has begun and that have not ended.

    ``begun`` are they, except perhaps some that have ended. ``failures`` are what
    cleanups raised when the handler ended, each with its generator's name.
    """

    __slots__ = ("_look_at", "begun", "failures")

    def __init__(self) -> None:
        self.failures: list[tuple[str, BaseException]] = []
        self.begun: list[Any] = []
        self._look_at = _FIRST_LOOK

    def watch(self, function: Callable[[], None]) -> None:
        """Call a function that runs code of the handler: what it begins is added."""
        outer = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(self._begin, _leave_alone)
        try:
            function()
        finally:
            sys.set_asyncgen_hooks(*outer)

    def _begin(self, generator: Any) -> None:
        if len(self.begun) >= self._look_at:
            self.begun = [kept for kept in self.begun if not _has_ended(kept)]
            self._look_at = 2 * len(self.begun) + _FIRST_LOOK
        self.begun.append(generator)

    def close_all(self) -> None:
        """Run the cleanup of those that are left; none of it can wait."""
        while self.begun:
            generator = self.begun.pop()
            if not _has_ended(generator):
                try:
                    _close(generator)
                except BaseException as error:  # the cleanup is its author's, and may raise anything
                    self.failures.append((generator.__qualname__, error))


def _has_ended(generator: Any) -> bool:
    return generator.ag_frame is None


def _close(generator: Any) -> None:
    closing = generator.aclose()
    try:
        closing.send(None)
    except StopIteration:
        return
    closing.close()
    raise RuntimeError("its cleanup awaits something that is not durable")


def _leave_alone(_: Any) -> None:
    """Python drops the frame of a generator that its finaliser leaves alone: nothing of it runs any more."""
