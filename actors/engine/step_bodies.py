"""Drives the body of a step, with the watchdog informed, and cleans up what a body leaves in its task."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import trio

from actors.values.error_groups import is_group, leaves_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator

    from actors.engine.watchdog import Turn, Watchdog


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


@types.coroutine
def in_turns(watchdog: Watchdog, turn: Turn, call: Callable[[], Awaitable[Any]]) -> Generator[Any, Any, Any]:
    """Await the result of a call, with the watchdog informed while its code has the event loop. That includes the classes of its
    arguments, which copy them before the body begins."""
    begun: list[Coroutine[Any, Any, Any]] = []
    try:
        yielded = watchdog.run(turn, _begin, call, begun)
    except StopIteration as stop:
        if not begun:
            raise  # raised by the class of an argument, so it is an error and not a result
        return stop.value
    coroutine = begun[0]
    while True:
        try:
            resume, value = coroutine.send, (yield yielded)
        except BaseException as error:
            resume, value = coroutine.throw, error
        try:
            yielded = watchdog.run(turn, resume, value)
        except StopIteration as stop:
            return stop.value


def _begin(call: Callable[[], Awaitable[Any]], begun: list[Coroutine[Any, Any, Any]]) -> Any:
    awaitable: Any = call()
    begun.append(awaitable if type(awaitable) is types.CoroutineType else _await(awaitable))
    return begun[0].send(None)


def abandon_open_nurseries() -> None:
    """Close the nurseries that a body leaves open, as an async generator with a nursery does that is left by ``break``. trio
    would end the task with an error for that, and with the task the processor. The rules that trio has for such a nursery are
    applied before the task ends."""
    task = trio.lowlevel.current_task()
    if not task._child_nurseries:
        return
    for nursery in task.child_nurseries:
        nursery.cancel_scope.cancel()
        nursery._closed = True  # otherwise leaving it later would wait in it for this task
    task._child_nurseries.clear()


def is_stopped(error: BaseException) -> bool:
    """Whether the error is only trio's cancellation, possibly in groups of the body's own nurseries."""
    return is_group(error) and all(issubclass(type(leaf), trio.Cancelled) for leaf in leaves_of(error))
