"""Drives the body of a step, with the watchdog informed, and cleans up what a body leaves in its task."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import trio

from actors.values.error_groups import is_group, leaves_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from actors.engine.watchdog import Turn, Watchdog


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


async def _called(call: Callable[[], Awaitable[Any]]) -> Any:
    return await call()


def in_turns(watchdog: Watchdog, turn: Turn, call: Callable[[], Awaitable[Any]]) -> Awaitable[Any]:
    """Await the result of a call, with the watchdog informed while its code has the event loop. That includes the classes of its
    arguments, which copy them in the turn in which the body begins."""
    return body_in_turns(watchdog, turn, _called(call))


@types.coroutine
def body_in_turns(watchdog: Watchdog, turn: Turn, body: Awaitable[Any]) -> Generator[Any, Any, Any]:
    """Await a body, with the watchdog informed while its code has the event loop."""
    coroutine: Any = body if type(body) is types.CoroutineType else _await(body)
    resume, value = coroutine.send, None
    while True:
        try:
            yielded = watchdog.run(turn, resume, value)
        except StopIteration as stop:
            return stop.value
        try:
            resume, value = coroutine.send, (yield yielded)
        except BaseException as error:
            resume, value = coroutine.throw, error


def abandon_open_nurseries(task: trio.lowlevel.Task) -> None:
    """Close the nurseries that a body leaves open, such as the nursery of an async generator that a ``break`` leaves. trio
    would end the task with an error for that, and with the task the processor. The rules that trio has for such a nursery are
    applied before the task ends."""
    for nursery in task.child_nurseries:
        nursery.cancel_scope.cancel()
        nursery._closed = True  # otherwise leaving it later would wait in it for this task
    task._child_nurseries.clear()


def is_stopped(error: BaseException) -> bool:
    """Whether the error is only trio's cancellation, possibly in groups of the body's own nurseries."""
    return is_group(error) and all(issubclass(type(leaf), trio.Cancelled) for leaf in leaves_of(error))
