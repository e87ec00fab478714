"""The short way of a call: run first, record once.

Most calls find a free object and end in their first turn. ``decide`` would accept and start such a call, and complete it when
the handler has returned. Here the same is said at once: whether the call would start now (:func:`starts_at_once`), what is
recorded of it (:func:`whole_invocation`), and what becomes of the object (:func:`with_whole`).

Invariant: the short way is the long way, abridged. For every object and every call that starts at once, the events of the frame are
those that ``decide`` returns, and the object is their fold through ``evolve``. ``tests/core/test_fused.py`` compares both for
random objects. Whatever does not start at once, or does not end in its first turn, is decided.

Alternative refused: a second state machine for short calls. It would be a second description of the same rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.state import ObjectState
from journal.errors import BrokenInvariant
from journal.events import Kind, Mode, Status
from journal.fused import WholeInvocation

if TYPE_CHECKING:
    from actors.core import commands as c
    from actors.values.limits import Limits
    from journal.events import Stamp


def starts_at_once(state: ObjectState | None, command: c.ResolvedInvoke, limits: Limits) -> bool:
    """Report whether ``decide`` would accept the new invocation and start it now, with nothing else to be said.

    Its id must be new. What this leaves to ``decide``, although it might start at once: requests with an idempotency key,
    delayed messages, shared handlers, and objects whose shared handlers are running.
    """
    asked = command.asked
    if (
        command.mode is not Mode.EXCLUSIVE
        or asked.request is not None
        or asked.scheduled_for is not None
        or len(asked.chain) > limits.call_depth
    ):
        return False
    if state is None:
        return True
    if state.holder is not None or state.queue:
        return False
    if state.invocations and not all(i.status is Status.SCHEDULED for i in state.invocations.values()):
        return False
    target = asked.target
    return (state.service == target.service and state.key == target.key) or state.kind is Kind.SERVICE


def whole_invocation(
    state: ObjectState | None,
    command: c.ResolvedInvoke,
    stamp: Stamp,
    *,
    ran_at: float,
    fields: dict[str, bytes] | None,
    result: bytes,
) -> WholeInvocation:
    """Return the record of an invocation that was asked for with this stamp and has returned ``result``."""
    asked, target, caller = command.asked, command.asked.target, command.asked.caller
    return WholeInvocation(
        asked.invocation_id,
        target.handler,
        command.mode,
        stamp.at,
        stamp.cause,
        stamp.by,
        ran_at,
        asked.argument,
        asked.parameter,
        command.deployment,
        result,
        fields,
        None if state is not None else (target.service, target.key, command.kind),
        None if caller is None else (caller.invocation_id, caller.step),
        [(link.invocation_id, link.target, link.holds_key) for link in asked.chain] if asked.chain else None,
        command.atomic,
        asked.tags,
    )


def with_whole(state: ObjectState | None, whole: WholeInvocation, last: int) -> ObjectState:
    """Return the object after the invocation, whose last event has the number ``last``."""
    if state is None:
        if whole.created is None:
            raise BrokenInvariant(f"{whole.invocation_id} is not the first of its object, which has no state")
        service, key, kind = whole.created
        state = ObjectState(service=service, key=key, kind=kind)
    state.version = last
    if whole.fields is not None:
        # A new dictionary, for the reason that keep_changes gives.
        state.fields_version = last
        state.fields = {**state.fields, **whole.fields}
    return state
