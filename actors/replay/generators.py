"""Keeps the async generators of a handler until it ends, so that no other code finalises them.

An async generator that is left before its end (``break``, an exception) still has cleanup to run. Python leaves that to the event
loop at the moment when the generator is collected: with trio's hooks in a system task, without hooks wherever the collector runs
(in another handler's turn, in a worker thread), and at a different moment in every replay. Each turn of a handler therefore has
its own hooks. The handler keeps the generators that it has begun, so none of them is collected while it lives. When it ends,
those that are left are closed, the last one first, without durable operations. A cleanup that needs durable operations belongs in
``async with contextlib.aclosing(...)``, which closes the generator where it is left.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

_FIRST_LOOK = 16
"""The number of generators from which ended ones are dropped."""


def run_with_hook(begin: Callable[[Any], None], function: Callable[..., T], *args: Any) -> T:
    """Call a function that runs code of a handler; each async generator that it begins is given to ``begin``."""
    outer = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(begin, leave_alone)
    try:
        return function(*args)
    finally:
        sys.set_asyncgen_hooks(*outer)


class Generators:
    """The async generators that a handler has begun and that have not ended.

    ``failures`` are the errors that cleanup code raised when the handler ended, each with the name of its generator.
    """

    failures: Sequence[tuple[str, BaseException]] = ()
    _begun: list[Any] | None = None
    _look_at = _FIRST_LOOK

    def watch(self, function: Callable[[], None]) -> None:
        """Call a function that runs code of the handler, and keep the async generators that it begins."""
        run_with_hook(self.begin, function)

    def begin(self, generator: Any) -> None:
        """Keep a generator, which the handler has begun."""
        begun = self._begun
        if begun is None:
            self._begun = [generator]
            return
        if len(begun) >= self._look_at:
            begun[:] = [kept for kept in begun if not _has_ended(kept)]
            self._look_at = 2 * len(begun) + _FIRST_LOOK
        begun.append(generator)

    @property
    def have_begun(self) -> bool:
        """Whether the handler has begun a generator since the last cleanup. The generator may have ended since."""
        return bool(self._begun)

    def close_all(self) -> None:
        """Run the cleanup code of all remaining generators, the last one first. Cleanup code that waits is stopped."""
        while self._begun:
            generator = self._begun.pop()
            if not _has_ended(generator):
                try:
                    _close(generator)
                except BaseException as error:  # the cleanup is user code and may raise anything
                    self.failures = [*self.failures, (generator.__qualname__, error)]


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


def leave_alone(_: Any) -> None:
    """Finalise nothing. Python then drops the frame of the generator, so none of its code runs any more."""
