"""An object's state as bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from actors.core.state import ObjectState
from journal.errors import Damaged

if TYPE_CHECKING:
    from journal.ids import StreamId

_encode_state = msgspec.msgpack.Encoder().encode
_decode_state = msgspec.msgpack.Decoder(ObjectState).decode


def encode_snapshot(state: ObjectState) -> bytes:
    """The state as a snapshot keeps it."""
    return _encode_state(state)


def decode_snapshot(stream: StreamId, number: int, data: bytes) -> ObjectState:
    """Back. Raises ``Damaged``."""
    try:
        return _decode_state(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Damaged(stream, number, f"the snapshot cannot be decoded: {error}") from error
