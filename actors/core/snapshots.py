"""Encodes an object's state as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from actors.core.state import ObjectState, WaitKind
from journal.errors import Damaged

if TYPE_CHECKING:
    from journal.ids import StreamId

_OF_OTHERS = (WaitKind.CALL, WaitKind.ATTACH, WaitKind.VERB)

_encode_state = msgspec.msgpack.Encoder().encode
_decode_state = msgspec.msgpack.Decoder(ObjectState).decode


def encode_snapshot(state: ObjectState) -> bytes:
    """Encode the state for a snapshot."""
    return _encode_state(state)


def decode_snapshot(stream: StreamId, number: int, data: bytes) -> ObjectState:
    """Decode a snapshot. Raises ``Damaged``."""
    try:
        state = _decode_state(data)
    except (ValueError, RecursionError) as error:
        raise Damaged(stream, number, f"the snapshot cannot be decoded: {error}") from error
    wrong = _contradiction_in(state, number)
    if wrong is not None:
        raise Damaged(stream, number, f"the snapshot contradicts itself: {wrong}")
    for invocation in state.invocations.values():
        invocation.count_steps()
    return state


def _contradiction_in(state: ObjectState, number: int) -> str | None:
    """Describe the first contradiction in a decoded state; None if there is none, as in every state that comes from
    events."""
    if state.version != number:
        return f"it is the state as of event {state.version}"
    for of in state.queue if state.holder is None else (state.holder, *state.queue):
        if of not in state.invocations:
            return f"{of} holds the object or waits for it, but is not an open invocation"
    for of, invocation in state.invocations.items():
        if invocation.invocation_id != of or not invocation.spans:
            return f"{of} has no events"
        for step, wait in invocation.waits.items():
            if wait.callee is None and wait.kind in _OF_OTHERS:
                return f"step {step} of {of} waits for an invocation without an id"
    return None
