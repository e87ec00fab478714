"""Finds tests on virtual time that can never end: each of their tasks waits for an invocation, and no invocation can continue.

::

    every task is blocked ──► each task of the test waits for an invocation? ──► why does each not continue?
    (before the clock jumps)                                                      │ paused, a signal, a gate, or one that is stuck
                                                                                  ▼
                                                              the waits end with StuckError, at once

**When.** trio tells an instrument before it waits for I/O. If no task is runnable then, the clock of a test is about to jump to the
next deadline. The jumps alone show nothing: a runtime always has deadlines of its own, so a test that is stuck would jump for years.

**Which tasks.** All that descend from the main task, except those of the runtime. A task that does anything else than wait for an
invocation or for its own children may still act, so the test is not stuck. Nor is it if a task has a deadline of its own.
trio has no public access to the deadline of another task, and to whether it waits for its children. Both are read from what
trio 0.31 to 0.35 keep; if a later version differs, a stuck test runs into its limit instead.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import attrs
import trio
import trio.abc
import trio.testing

from actors.errors import ActorError
from actors.errors.base import TerminalError
from actors.model.explain import WaitCause, reasons
from journal.errors import JournalError
from journal.events import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from actors.model.explain import WaitReason
    from actors.model.info import InvocationInfo
    from actors.runtime import Runtime
    from journal.ids import InvocationId

_HOLDS = frozenset({WaitCause.RESUME, WaitCause.GATE})
"""Causes that hold an invocation whatever else it waits for."""
_OTHERS = frozenset({WaitCause.INVOCATION, WaitCause.KEY, WaitCause.LOCK})
"""Causes that end when another invocation continues."""
_MOST_FOLLOWED = 100
_MOST_DESCRIBED = 10


class StuckError(trio.TooSlowError):
    """A test waits for an invocation that cannot continue, and nothing else in the test can change that. ``reasons`` say why it does
    not continue, as ``why()`` does; ``status`` is its status.

    ::

        with pytest.raises(actors.testing.StuckError, match="the card is declined"):
            await runtime.client.actor(Order, "7").pay()
    """

    def __init__(self, message: str, info: InvocationInfo, reasons: tuple[WaitReason, ...]) -> None:
        super().__init__(message)
        self.invocation_id = info.id
        self.status = info.status
        self.reasons = reasons


@attrs.frozen
class _TaskOfTest:
    """A task of the test that waits for an invocation. ``fail`` ends its wait with an error."""

    task: trio.lowlevel.Task
    of: InvocationId
    fail: Callable[[BaseException], None]


class StallWatcher(trio.abc.Instrument):
    """Ends the waits of a test that is stuck. ``own`` are the nurseries of the runtime, and ``latest`` is the deadline of the whole test."""

    def __init__(self, runtime: Runtime, own: list[trio.Nursery], latest: float) -> None:
        self._runtime = runtime
        self._own = own
        self._latest = latest
        self._main = _main_task(trio.lowlevel.current_task())
        self._last: object = None
        self._found: list[_TaskOfTest] = []
        self._is_idle = trio.Event()

    def before_io_wait(self, timeout: float) -> None:
        """Look at the tasks of the test if all tasks are blocked."""
        if timeout > 0 or trio.lowlevel.current_statistics().tasks_runnable:
            return
        waits = self._runtime.engine.outcome_waits()
        waiting = {reply.task: _TaskOfTest(reply.task, of, reply.fail) for of, reply in waits if reply.task is not None}
        if not waiting:
            return
        found: list[_TaskOfTest] = []
        for task in self._tasks_of_the_test(self._main):
            if task in waiting and _deadline_of(task) >= self._latest:
                found.append(waiting[task])
            elif task in waiting or not _waits_for_children(task):
                return
        now = trio.current_time(), [(each.task, each.of) for each in found]
        if found and now != self._last:
            self._last, self._found = now, found
            self._is_idle.set()

    async def run(self) -> None:
        """Explain the invocations that are waited for, whenever all tasks are blocked, and end the waits if none can continue."""
        while True:
            await self._is_idle.wait()
            self._is_idle, found = trio.Event(), self._found
            try:
                stuck = [await self._stuck(each.of) for each in found]
            except (ActorError, JournalError):
                continue  # it ends, or was purged
            for each, error in zip(found, stuck, strict=True):
                if error is not None and None not in stuck:
                    each.fail(error)

    async def open_invocations(self) -> list[str]:
        """Describe the invocations that have not completed, at most ten."""
        open_ones = [status for status in Status if status is not Status.COMPLETED]
        found = await self._runtime.client.invocations(status=open_ones, limit=_MOST_DESCRIBED)
        return [_described(info, reasons(info)) for info in found]

    def _tasks_of_the_test(self, task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
        yield task
        for nursery in task.child_nurseries:
            if nursery not in self._own:
                for child in nursery.child_tasks:
                    yield from self._tasks_of_the_test(child)

    async def _stuck(self, of: InvocationId) -> StuckError | None:
        """Return the error for an invocation that cannot continue by itself; None if it can."""
        client = self._runtime.client
        seen: dict[InvocationId, tuple[InvocationInfo, tuple[WaitReason, ...]]] = {}
        left = [of]
        while left:
            each = left.pop()
            if each in seen:
                continue
            if len(seen) == _MOST_FOLLOWED:
                return None
            info = await client.invocation(each).info()
            seen[each] = info, reasons(info)
            others = _held_by(*seen[each])
            if others is None:
                return None
            left += others
        return _error_of(*seen[of], [pair for each, pair in seen.items() if each != of])


def _held_by(info: InvocationInfo, told: tuple[WaitReason, ...]) -> list[InvocationId] | None:
    """Return the invocations without which this one does not continue, none if it needs a request from outside; None if it may
    continue by itself."""
    if info.expires_at is not None or info.status is Status.COMPLETED:
        return None
    if info.status is Status.PAUSED or info.gate is not None:
        return []
    others: list[InvocationId] = []
    for reason in told:
        if reason.waits_for in _OTHERS and reason.invocation_id is not None:
            others.append(reason.invocation_id)
        elif reason.waits_for is not WaitCause.SIGNAL:
            return None
    return others


def _error_of(
    info: InvocationInfo, told: tuple[WaitReason, ...], others: list[tuple[InvocationInfo, tuple[WaitReason, ...]]]
) -> StuckError:
    last, because = (info, told) if not others else others[-1]
    chain = ". ".join(_described(each, why) for each, why in [(info, told), *others])
    return StuckError(
        f"{chain}. Every task of the test only waits, so nothing will change this. {_advice(last, because)}",
        info,
        told,
    )


def _described(info: InvocationInfo, told: tuple[WaitReason, ...]) -> str:
    because = [
        one.because
        if one.because and one.waits_for is WaitCause.RESUME
        else f"{one.text}: {one.because}".removesuffix(": ")
        for one in told
    ]
    why = "; ".join(because)
    return f"{info.target} ({info.id}) is {info.status.value}: {why}"


def _advice(info: InvocationInfo, told: tuple[WaitReason, ...]) -> str:
    if info.status is Status.PAUSED:
        return (
            f"To test the pause, send the call and read client.invocation(id).info(); to test the error, raise {TerminalError.__name__}, "
            'or fail when the tries are used up: RetryPolicy(on_exhausted="fail")'
        )
    if info.gate is not None:
        return "Open the gate before the wait: client.gates.open(…)"
    if any(reason.waits_for is WaitCause.SIGNAL for reason in told):
        return "Send the call, then the signal, then wait: handle = await ….send(…); await handle.signal(…); await handle.result()"
    return "Let one of them end before the wait"


def _main_task(task: trio.lowlevel.Task) -> trio.lowlevel.Task:
    """Return the task below trio's own that a task descends from."""
    root = trio.lowlevel.current_root_task()
    while (nursery := task.parent_nursery) is not None and nursery.parent_task is not root:
        task = nursery.parent_task
    return task


def _deadline_of(task: trio.lowlevel.Task) -> float:
    status: Any = getattr(task, "_cancel_status", None)
    return math.inf if status is None else float(status.effective_deadline())


def _waits_for_children(task: trio.lowlevel.Task) -> bool:
    """Report whether the task is at the end of a nursery's block, and waits for the tasks in it."""
    return any(frame.f_code.co_name == "_nested_child_finished" for frame, _ in task.iter_await_frames())


def is_on_jumping_clock() -> bool:
    """Report whether time jumps once all tasks are blocked."""
    clock = trio.lowlevel.current_clock()
    return isinstance(clock, trio.testing.MockClock) and clock.autojump_threshold == 0
