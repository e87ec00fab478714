"""The ids of new invocations."""

from __future__ import annotations

from journal.events import Target
from journal.ids import InvocationId, StreamId, derived_unique, invocation_id, stream_of


def new_id(
    target: Target, request_key: str | None, unique: int, secret: str = "", *, asked: Target | None = None
) -> InvocationId:
    """Return the id of a new invocation: its object and its unique part.

    Every invocation of a service has a stream of its own. An idempotency key always gives the same id in one store: the store's
    ``secret`` is part of the hash, so that a guessed key does not give a known id. The run of a workflow goes without the secret,
    as :func:`actors.workflow_id` does. ``asked`` is the target by the names that the id is made of, if those differ
    (``Definition.request_id``).
    """
    if request_key is not None:
        of = target if asked is None else asked
        unique = derived_unique("request", secret, of.service, of.key or "", of.handler, request_key)
    if target.key is None:
        return invocation_id(StreamId(unique & (2**64 - 1)), unique)
    return invocation_id(stream_of(target.service, target.key), unique)
