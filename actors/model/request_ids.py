"""The ids of invocations that are requested under an idempotency key."""

from __future__ import annotations

from journal.events import Target
from journal.ids import InvocationId, StreamId, derived_unique, invocation_id, stream_of

_STREAM_BITS = 2**64 - 1


def requested_id(target: Target, request_key: str, secret: str = "", *, asked: Target | None = None) -> InvocationId:
    """Return the id of the invocation that is requested under an idempotency key: always the same in one store.

    The store's ``secret`` is part of the hash, so that a guessed key does not give a known id. The run of a workflow goes without
    the secret, as :func:`actors.workflow_id` does. ``asked`` is the target by the names that the id is made of, if those differ
    (``Definition.request_id``).
    """
    of = target if asked is None else asked
    unique = derived_unique("request", secret, of.service, of.key or "", of.handler, request_key)
    stream = StreamId(unique & _STREAM_BITS) if target.key is None else stream_of(target.service, target.key)
    return invocation_id(stream, unique)


def debounced_id(target: Target, debounce: str, unique: int, secret: str) -> InvocationId:
    """Return the id, with these 128 bits, of an invocation with a debounce key. Invocations of one key are in one stream, even those of a
    service, so that a later message finds the earlier one."""
    if target.key is not None:
        return invocation_id(stream_of(target.service, target.key), unique)
    number = derived_unique("debounce", secret, target.service, target.handler, debounce)
    return invocation_id(StreamId(number & _STREAM_BITS), unique)
