"""Commands of verbs, as a backend completes them before it hands them to the object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.core import commands as c
from actors.model.verb_options import NOT_YET
from actors.values.limits import within_limit
from journal.ids import derived_unique, invocation_id, stream_of_invocation

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.values.limits import Limits


def check_value(command: c.Command, limits: Limits) -> None:
    """Check the size of a verb's user value. Raises :class:`LimitExceededError`."""
    match command:
        case c.SignalInvocation():
            within_limit(command.value, limits.payload_bytes, f"signal {command.name!r}")
        case c.RestartInvocation(argument=bytes() as argument):
            within_limit(argument, limits.payload_bytes, "the input of a restart")


def with_successor(command: c.Command, unique: Callable[[], int], idempotency_key: str | None) -> c.Command:
    """Return a restart with the id of its successor, which belongs to the same object as the original; other commands
    unchanged.
    """
    if not isinstance(command, c.RestartInvocation) or command.successor != NOT_YET:
        return command
    of = command.invocation_id
    number = unique() if idempotency_key is None else derived_unique("restarted", of, idempotency_key)
    return attrs.evolve(command, successor=invocation_id(stream_of_invocation(of), number))
