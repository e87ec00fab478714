"""For tests of actors: a runtime in memory, on virtual time, that can crash and restart.

::

    async def reminds_after_a_week() -> None:
        async with actors.testing.open_runtime(Reminder) as runtime:
            await runtime.client.actor(Reminder, "bob").remind(7 * 24 * 3600)
            assert SENT == ["bob"]

    def test_it_reminds_after_a_week() -> None:
        actors.testing.run(reminds_after_a_week)

A test that waits for an invocation that cannot continue, because it is paused or waits for a signal that no task of the test can
send any more, ends at once with :class:`StuckError`, which says why.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from contextvars import ContextVar
from random import Random
from typing import TYPE_CHECKING, TypeVar

import attrs
import trio
import trio.testing

from actors import runtime as runtimes
from actors.control.local.checks import check_recordings
from actors.environment import Environment, Offload, environment_of_run, offload_inline
from actors.model.app import App
from actors.model.checks import refusal_of
from actors.stalls import StallWatcher, StuckError, is_on_jumping_clock
from actors.system import SYSTEM_CLASSES
from actors.values.arguments import Seconds, checked_seconds
from actors.values.limits import DEFAULT_LIMITS, Limits
from journal.clock import Clock
from journal.kv.memory import MemoryStore
from journal.log.kv_journal import KvJournal

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Awaitable, Callable

    from actors.model.checks import CheckReport
    from actors.runtime import Runtime

T = TypeVar("T")

LONGEST_SECONDS = 10 * 365 * 24 * 3600.0
"""Virtual seconds after which :func:`run` gives up: something waits for an event that never comes."""


def run(test: Callable[[], Awaitable[T]], *, within: Seconds = LONGEST_SECONDS) -> T:
    """Run an async function on virtual time: whenever all of it waits, the clock jumps to the next deadline.

    A sleep of days takes no time, and no test needs a sleep to be in time. Raises :class:`StuckError`, a ``trio.TooSlowError``, if it
    waits for an invocation that cannot continue, and ``trio.TooSlowError`` after ``within`` virtual seconds. A plain ``trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0))`` does the same without a limit.

    ::

        actors.testing.run(reminds_after_a_week)
    """
    longest = checked_seconds(within, "within")

    async def bounded() -> T:
        bound = _Bound(trio.current_time() + longest)
        _bound.set(bound)
        with trio.move_on_after(longest):
            return await test()
        left = "; ".join(bound.open_invocations)
        left = f". Not completed: {left}" if left else ""
        raise trio.TooSlowError(
            f"the test did not end within {longest:,.0f} virtual seconds (`within`), so it waits for something that does not happen, such as an "
            f"event of follow() or a trio.Event{left}"
        )

    return trio.run(bounded, clock=trio.testing.MockClock(autojump_threshold=0))


@attrs.define
class _Bound:
    """The deadline of a test, and the invocations that have not completed by then, in words."""

    latest: float
    open_invocations: list[str] = attrs.field(factory=list)


_bound: ContextVar[_Bound] = ContextVar("_bound", default=_Bound(math.inf))  # noqa: B039 - nothing is open at a deadline that never comes
_JUST_BEFORE_SECONDS = 0.001
"""When the open invocations are read: at the deadline the runtime is cancelled as well."""


class MemoryDirectory:
    """A data directory in memory. A runtime that is opened on it continues where the previous one stopped.

    ::

        kept = actors.testing.MemoryDirectory()
        async with actors.testing.open_runtime(Order, kept=kept) as runtime:
            await runtime.client.actor(Order, "7").pay.send()
        async with actors.testing.open_runtime(Order, kept=kept) as runtime:  # after the crash
            ...
    """

    def __init__(self) -> None:
        self._store = MemoryStore()

    def journal(self, clock: Clock) -> KvJournal:
        """The journal of a runtime that is about to start."""
        return KvJournal(self._store, partitions=1, clock=clock, secret="memory")  # noqa: S106 - of nothing that outlives the process


@asynccontextmanager
async def open_runtime(
    *classes: type,
    kept: MemoryDirectory | None = None,
    limits: Limits = DEFAULT_LIMITS,
    seed: int = 0,
    fail_fast: bool = True,
) -> AsyncIterator[Runtime]:
    """A runtime in memory. At the end of its block it stops at once, like a killed process: running steps begin again
    when the next runtime opens.

    ``kept`` is the data directory that it continues; by default it has one of its own. Ids and delays are drawn from
    ``seed``. With ``fail_fast`` a mistake in the code fails an invocation at its first attempt, so that a test does not
    wait through retries.

    ::

        async with actors.testing.open_runtime(Counter) as runtime:
            assert await runtime.client.actor(Counter, "bob").add(5) == 5
    """
    environment = attrs.evolve(
        environment_of_run(),
        random=Random(seed),  # noqa: S311 - a test must repeat
        offload=offload_inline,
        has_watchdog=False,
    )
    journal = (kept if kept is not None else MemoryDirectory()).journal(environment.clock)
    before = set(trio.lowlevel.current_task().child_nurseries)
    async with runtimes.open_runtime(
        *classes, journal=journal, environment=environment, limits=limits, fail_fast=fail_fast, drain=0, code=None
    ) as runtime:
        if not is_on_jumping_clock():
            yield runtime
            return
        own = [each for each in trio.lowlevel.current_task().child_nurseries if each not in before]
        bound = _bound.get()
        watcher = StallWatcher(runtime, own, bound.latest)
        scope = trio.CancelScope()

        async def watch() -> None:
            with scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(watcher.run)
                    await trio.sleep_until(bound.latest - _JUST_BEFORE_SECONDS)
                    bound.open_invocations += await watcher.open_invocations()

        trio.lowlevel.spawn_system_task(watch)  # a nursery here would wrap the errors of the test
        trio.lowlevel.add_instrument(watcher)
        try:
            yield runtime
        finally:
            trio.lowlevel.remove_instrument(watcher)
            scope.cancel()


def replay_history(file: str | os.PathLike[str], *classes: type) -> tuple[CheckReport, ...]:
    """Replay recorded histories on these classes, without effects, and return a report of each. So a test finds the change that
    invocations under way, or of a year ago, could not continue on.

    ``file`` has recordings, one a line: ``playhead invocations export --recording`` writes them. No step is executed: the record has
    its outcome. Raises :class:`actors.errors.IncompatibleError` for the first one that the code does not replay, with the step and the
    source lines; :class:`actors.NotFoundError` if the file has no recording; :class:`actors.InvalidArgumentError` for a line that
    cannot be read; ``OSError``.

    ::

        def test_the_code_replays_what_ran_in_production() -> None:
            actors.testing.replay_history("histories/claim.jsonl", Claim)
    """
    app, environment = App(classes, system=SYSTEM_CLASSES), Environment()
    reports: list[CheckReport] = []
    for report in check_recordings(file, app, "", environment):
        if not report.is_compatible:
            raise refusal_of(report, "Keep the order of durable operations, or use actors.patched()")
        reports.append(report)
    return tuple(reports)


__all__ = ["Clock", "Environment", "MemoryDirectory", "Offload", "StuckError", "open_runtime", "replay_history", "run"]
