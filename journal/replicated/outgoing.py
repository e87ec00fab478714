"""The messages of one claim to the objects of other partitions."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NoReturn

import attrs
import trio

from journal import keys
from journal.errors import JournalError, StoreFailed
from journal.log.inbox import decode_sent_message
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from journal.log.committed_view import CommittedView
    from journal.log.protocol import Message, SentMessage
    from journal.replicated.exchange import ReplicatedExchange

log = SafeLogger(__name__)

_READ_TOGETHER = 256
_UNDER_WAY = 1_024
_TRY_AGAIN_SECONDS = 0.2
_REMOVED_AFTER_SECONDS = 1.0


class Outgoing:
    """Sends the messages of a partition's claim, those to one object in order, and has their rows removed.

    The rows go with the next commit of the partition, or after :data:`_REMOVED_AFTER_SECONDS` without one. Until then a message that has
    arrived is sent again by the next owner, and recognised.
    """

    def __init__(
        self,
        partition: int,
        exchange: ReplicatedExchange,
        settled: CommittedView,
        send: Callable[[Sequence[Message]], Awaitable[None]],
    ) -> None:
        """``send`` returns when messages to objects of one partition are durable there."""
        self._partition = partition
        self._exchange = exchange
        self._settled = settled
        self._send = send
        self._waiting: dict[int, deque[tuple[bytes, SentMessage]]] = {}
        self._lowest = 0
        self._under_way = 0
        self._has_room = trio.Event()
        self._has_sent = trio.Event()

    async def run(self) -> NoReturn:
        """Send what there is and what comes. If a commit of this task fails, the claim ends, as with each of its commits."""
        start = prefix = keys.outgoing_prefix(self._partition)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._remove_without_a_commit)
            while True:
                more = self._exchange.outgoing_arrives(self._partition)
                while page := self._settled.scan(start, keys.after_prefix(prefix), limit=_READ_TOGETHER):
                    for key, value in page:
                        self._take(key, decode_sent_message(value), nursery)
                    start = page[-1][0] + b"\x00"
                    await self._wait_for_room()
                await more.wait()

    async def remove(self) -> None:
        """Remove the rows of what is durable at its receivers and still has one."""
        if batch := self._exchange.sent(self._partition):
            await self._settled.commit(batch, on_settled=lambda: None)

    def _take(self, key: bytes, message: SentMessage, nursery: trio.Nursery) -> None:
        self._under_way += 1
        waiting = self._waiting.get(message.to)
        if waiting is not None:
            waiting.append((key, message))
        else:
            self._waiting[message.to] = deque([(key, message)])
            nursery.start_soon(self._send_in_order, message.to)

    async def _wait_for_room(self) -> None:
        await trio.lowlevel.checkpoint()
        while self._under_way >= _UNDER_WAY:
            self._has_room = trio.Event()
            await self._has_room.wait()

    async def _send_in_order(self, to: int) -> None:
        waiting = self._waiting[to]
        while waiting:
            rows = list(waiting)
            waiting.clear()
            lowest = self._lowest_kept()
            await self._send_until_durable([attrs.evolve(message, lowest=lowest) for _, message in rows])
            self._exchange.note_sent(self._partition, (key for key, _ in rows))
            self._has_sent.set()
            self._under_way -= len(rows)
            self._has_room.set()
        del self._waiting[to]

    def _lowest_kept(self) -> int:
        """Return the lowest number with a row: those below are not sent again, whatever happens."""
        prefix = keys.outgoing_prefix(self._partition)
        [(key, _)] = self._settled.scan(
            keys.outgoing(self._partition, self._lowest), keys.after_prefix(prefix), limit=1
        )
        self._lowest = keys.number_in_sender(key)
        return self._lowest

    async def _send_until_durable(self, messages: Sequence[Message]) -> None:
        while True:
            try:
                await self._send(messages)
            except StoreFailed:
                raise
            except JournalError as error:
                log.debug("messages of partition %d wait: %s", self._partition, error)
                await trio.sleep(_TRY_AGAIN_SECONDS)
            else:
                return

    async def _remove_without_a_commit(self) -> NoReturn:
        while True:
            await self._has_sent.wait()
            self._has_sent = trio.Event()
            await trio.sleep(_REMOVED_AFTER_SECONDS)
            await self.remove()
