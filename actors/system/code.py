"""Stores the code of deployments while it is needed: one object for each deployment, in pieces.

The code is read from its rows (:func:`read_code`), both in the process that runs it and in one that only reads the directory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from actors.errors import BrokenDeploymentError
from actors.model.classes import Actor, definition_of, service_name
from actors.model.fields import Map
from actors.model.handlers import handler
from actors.values.names import SYSTEM_NAMESPACE
from actors.values.snapshot import unpack
from journal import keys
from journal.events import Target
from journal.ids import stream_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.values.snapshot import Snapshot
    from journal.kv.store import Readable

PIECE_BYTES = 256 << 10
"""The size of a piece in bytes."""

FORGET_SECONDS = 60.0
"""How long the invocations that stored the pieces are kept; the pieces themselves are in the rows."""


class Code(Actor):
    """The packed snapshot of the deployment that is its key."""

    _namespace: ClassVar[str] = SYSTEM_NAMESPACE

    pieces: Map[int, bytes]
    whole: int = 0
    """The number of pieces, once all of them are stored."""

    @handler(retention=FORGET_SECONDS)
    async def keep(self, number: int, of: int, piece: bytes) -> None:
        """Store one piece. The last piece completes the code."""
        self.pieces[number] = piece
        if number == of - 1:
            self.whole = of

    @handler(retention=FORGET_SECONDS)
    async def forget(self) -> None:
        """Delete the code, because no invocation runs on it any more."""
        for number in range(self.whole):
            del self.pieces[number]
        self.whole = 0


def code_target(deployment: str, handler_name: str) -> Target:
    """Return the target of a handler of the object that stores this deployment's code."""
    return Target(service_name(Code), deployment, handler_name)


def pieces_of(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the index, the total number, and the content of each piece."""
    starts = range(0, len(data), PIECE_BYTES)
    for number, start in enumerate(starts):
        yield number, len(starts), data[start : start + PIECE_BYTES]


def read_code(rows: Readable, partitions: int, deployment: str) -> Snapshot:
    """Return the stored code of a deployment. Raises :class:`BrokenDeploymentError`."""
    return unpack(deployment, read_packed(rows, partitions, deployment))


def read_packed(rows: Readable, partitions: int, deployment: str) -> bytes:
    """Return the stored code of a deployment in packed form, for callers that unpack it elsewhere, which may take long.
    Raises :class:`BrokenDeploymentError`."""
    stream = stream_of(service_name(Code), deployment)
    field = definition_of(Code).fields["pieces"]
    prefix = keys.items(stream % partitions, stream, field.name)
    found: dict[int, bytes] = {}
    start, stop = prefix, keys.after_prefix(prefix)
    while page := rows.scan(start, stop, limit=16):
        for key, value in page:
            found[field.key_codec.decode(key[len(prefix) :])] = field.codec.decode(value)
        start = page[-1][0] + b"\x00"
    if not found:
        raise BrokenDeploymentError(
            f"the code of {deployment} is not stored here: it was pruned, or never registered",
            deployment=deployment,
        )
    return b"".join(found[number] for number in sorted(found))
