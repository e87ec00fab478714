"""Finds the steps that were stopped with their invocation and have not ended."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, TypeAlias

import trio

from actors.engine.steps import StepTask
from actors.engine.threads import UNWIND_SECONDS, StepThread
from actors.model.wait_info import LeftBehind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.engine.loaded_object import LoadedObject
    from actors.engine.threads import Threads
    from journal.ids import InvocationId

Stopped: TypeAlias = StepThread | StepTask


def unwinding(loaded: LoadedObject, of: InvocationId, threads: Threads) -> tuple[list[StepThread], list[StepTask]]:
    """The steps that other invocations of the object have left."""
    left = [t for t in threads.abandoned if t.invocation_id != of and t.invocation_id.startswith(loaded.prefix)]
    tasks = [t for other, tasks in loaded.steps.items() if other != of for t in tasks.values() if not t.is_wanted]
    return left, tasks


def unwinding_seconds(left: Sequence[Stopped]) -> float:
    """How long to wait for the stopped steps."""
    return max((one.abandoned_at for one in left), default=-inf) + UNWIND_SECONDS - trio.current_time()


def left_behind(loaded: LoadedObject, of: InvocationId, threads: Threads) -> LeftBehind:
    """The stopped steps that have not ended: of the invocation, and of the invocations that its start waits for."""
    steps = tuple(thread.name for thread in threads.left_by(of))
    state = loaded.state
    if state is None or state.holder != of or of in loaded.attempts:
        return LeftBehind(steps=steps)
    others, tasks = unwinding(loaded, of, threads)
    left: list[Stopped] = [*others, *tasks]
    waits = unwinding_seconds(left) > 0
    return LeftBehind(steps=steps, unwinding=tuple(dict.fromkeys(one.invocation_id for one in left)) if waits else ())
