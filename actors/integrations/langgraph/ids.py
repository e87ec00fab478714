"""Makes the ids that langgraph makes by chance and by the clock the same in each replay, on a hosted loop. Elsewhere they stay as they are.

The ids of checkpoints order them, and those of messages tell them apart. Both reach the state of a graph, and through :class:`MapSaver` the
fields of an object, whose changes a replay compares.
"""

from __future__ import annotations

import uuid
from asyncio import events
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from langgraph.checkpoint import base
from langgraph.graph import message
from langgraph.pregel import _checkpoint

from actors.aio.handler.branches import LoopOfBranches
from actors.model.verbs.context import uuid4
from actors.model.verbs.time import current_time

if TYPE_CHECKING:
    from collections.abc import Callable

_DONE = "_ids_repeat_on_hosted_loops"

_last_tick: WeakKeyDictionary[LoopOfBranches, int] = WeakKeyDictionary()
"""For each loop, the time of its last checkpoint, in units of 100 ns: no two have the same."""


def repeat_ids() -> None:
    """Replace the sources of ids that langgraph uses, once."""
    if hasattr(base, _DONE):
        return
    setattr(base, _DONE, True)
    for module in (base, _checkpoint):
        setattr(module, "uuid6", _ordered(module.uuid6))  # noqa: B010  # it is not among the names that the module declares
    setattr(message, "uuid", SimpleNamespace(uuid4=lambda: uuid.uuid4() if _hosted_loop() is None else uuid4()))  # noqa: B010


def _hosted_loop() -> LoopOfBranches | None:
    loop = events._get_running_loop()
    return loop if isinstance(loop, LoopOfBranches) else None


def _ordered(original: Callable[..., uuid.UUID]) -> Callable[..., uuid.UUID]:
    def uuid6(*args: Any, **options: Any) -> uuid.UUID:
        """Return an id that is greater than the one before, from the time of the handler and its own source of chance."""
        loop = _hosted_loop()
        if loop is None:
            return original(*args, **options)
        tick = _last_tick[loop] = max(int(current_time() * 10_000_000), _last_tick.get(loop, 0) + 1)
        high, low = divmod(tick & (1 << 60) - 1, 1 << 12)
        return uuid.UUID(int=high << 80 | 6 << 76 | low << 64 | 2 << 62 | uuid4().int & (1 << 62) - 1)

    return uuid6
