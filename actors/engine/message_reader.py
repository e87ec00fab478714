"""Reads the messages to the objects of one partition, and makes requests of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core import commands as c
from actors.engine.requests import ObjectRequest
from journal.errors import CorruptRecord
from journal.events import Stamp
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from journal.clock import Clock
    from journal.log.protocol import Due, Journal, Partition
    from journal.rows import Backlog

log = SafeLogger(__name__)

_MICROSECOND = 1e-6


class MessageReader:
    """The inbox of one partition on disk."""

    def __init__(
        self, journal: Journal, partition: Partition, clock: Clock, take_in: Callable[[ObjectRequest], None]
    ) -> None:
        self._inherited = journal.backlog
        self._partition = partition
        self._clock = clock
        self._take_in = take_in

    async def read(self) -> None:
        """Take the messages that are due, as they arrive. Runs forever."""
        async for due in self._partition.messages():
            for message in due:
                self._take(message)

    def _take(self, due: Due) -> None:
        message = due.message
        try:
            command, envelope = c.decode_command(message.data)
        except CorruptRecord:
            log.exception("message %r to stream %016x cannot be read and stays in the inbox", message.id, message.to)
            return
        at, inherited = self._clock.now(), self._inherited
        if inherited is not None and _is_of(inherited, self._partition.number, due, envelope):
            at = min(at, inherited.before - _MICROSECOND)  # the date puts it under a gate on the backlog, too
        stamp = Stamp(at, envelope.cause, envelope.by)
        self._take_in(ObjectRequest(message.to, command, stamp, position=due.position))


def _is_of(backlog: Backlog, partition: int, due: Due, envelope: c.Envelope) -> bool:
    return backlog.has_message(partition, due.position) or backlog.has_epoch(partition, envelope.postponed)
