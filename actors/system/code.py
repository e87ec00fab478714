"""The code of a deployment, kept as long as it may be needed: an object for each, in pieces.

The code that loads it reads its rows (:func:`read_code`), in the process that runs it as in one that only reads the directory.
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
"""Bytes of a piece."""

FORGET_SECONDS = 60.0
"""How long the invocations that bring pieces are kept: what they brought is in the rows."""


class Code(Actor):
    """The packed snapshot of the deployment that is its key."""

    _namespace: ClassVar[str] = SYSTEM_NAMESPACE

    pieces: Map[int, bytes]
    whole: int = 0
    """How many pieces there are, once all of them are there."""

    @handler(retention=FORGET_SECONDS)
    async def keep(self, number: int, of: int, piece: bytes) -> None:
        """Keep one piece. The last one makes it whole."""
        self.pieces[number] = piece
        if number == of - 1:
            self.whole = of

    @handler(retention=FORGET_SECONDS)
    async def forget(self) -> None:
        """Nothing runs on it any more."""
        for number in range(self.whole):
            del self.pieces[number]
        self.whole = 0


def code_target(deployment: str, handler_name: str) -> Target:
    """A handler of the object that keeps this deployment's code."""
    return Target(service_name(Code), deployment, handler_name)


def pieces_of(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Number, how many there are, and content of each piece."""
    starts = range(0, len(data), PIECE_BYTES)
    for number, start in enumerate(starts):
        yield number, len(starts), data[start : start + PIECE_BYTES]


def read_code(rows: Readable, partitions: int, deployment: str) -> Snapshot:
    """The code of a deployment as it is kept. Raises :class:`BrokenDeploymentError`."""
    return unpack(deployment, read_packed(rows, partitions, deployment))


def read_packed(rows: Readable, partitions: int, deployment: str) -> bytes:
    """The same, still to be unpacked, which may take long. Raises :class:`BrokenDeploymentError`."""
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
            f"the code of {deployment} is not kept here: it was pruned, or it was never registered",
            deployment=deployment,
        )
    return b"".join(found[number] for number in sorted(found))
