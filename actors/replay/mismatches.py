"""Errors for a handler that does not repeat its recorded history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.core.requests import contrast, describe, is_same_step
from actors.errors import NonDeterminismError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from journal.events import Event

_ADVICE = (
    "Keep the order of durable operations, guard new ones with actors.patched(), or finish old invocations on the old code. "
    "If the code is the same, a step has changed a variable of the handler (a closure), which it does not do in a replay: "
    "return the value from the step"
)

_ADVICE_ON_ARGUMENTS = (
    "The arguments of a step are compared in a replay. If the code computes them otherwise now, guard the change with "
    "actors.patched(), or finish old invocations on the old code. If the code is the same, they depend on something that a replay "
    "does not repeat (a clock, chance, a global or a variable that a step changes): take the value from a step's result, "
    "actors.current_time() or actors.random(). To run the step with other arguments, restart from it"
)


def asks_otherwise(handler: str, recorded: Any, attempted: Any) -> NonDeterminismError:
    """Return the error for a request that differs from the recorded one. ``handler`` names the invocation."""
    was, is_now = contrast(recorded, attempted)
    return _differs(handler, was, is_now, _ADVICE_ON_ARGUMENTS if is_same_step(recorded, attempted) else _ADVICE)


def ends_early(handler: str, recorded: Event) -> NonDeterminismError:
    """Return the error for a handler that ends before a recorded request."""
    return _differs(handler, describe(recorded), "the end of the handler", _ADVICE)


def waits_elsewhere(
    handler: str, completion: Any, recorded: Event | None, waits: Iterable[Event]
) -> NonDeterminismError:
    """Return the error for a recorded completion that the handler does not wait for. ``recorded`` is the next recorded
    request, and ``waits`` are the operations that the handler waits for."""
    was = f"the end of step {completion.step}" if recorded is None else describe(recorded)
    waiting = ", ".join(map(describe, waits)) or "nothing"
    return _differs(handler, was, f"waits for {waiting}", _ADVICE)


def _differs(handler: str, recorded: str, attempted: str, advice: str) -> NonDeterminismError:
    return NonDeterminismError(
        f"{handler} replays differently.\n  recorded:  {recorded}\n  attempted: {attempted}\n{advice}"
    )
