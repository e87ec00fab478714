"""Gives messages between objects to the nodes that own them, on the connections of the requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from actors.engine.requests import ObjectRequest, TakeMessages
from actors.errors import ActorError, UnknownOutcomeError
from journal.errors import JournalError
from journal.events import Stamp
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.engine.waiter import Reply
    from actors.environment import Peers
    from journal.log.protocol import Message
    from journal.replicated.membership import Member

log = SafeLogger(__name__)


class MessageCarrier:
    """Sends messages to other nodes, and takes those of others into the journal of this one."""

    def __init__(
        self, peers: Peers, ask: Callable[[Member, ObjectRequest], Awaitable[Any]], now: Callable[[], float]
    ) -> None:
        """``ask`` sends a request to a node and returns its answer; ``now`` is the wall clock."""
        self._node = peers.node
        self._journal = peers.journal
        self._ask = ask
        self._now = now

    def begin(self) -> None:
        """Carry what the journal has for other nodes, until :meth:`end`."""
        self._journal.carry = self._carry

    def end(self) -> None:
        """Leave it to the journal's log."""
        self._journal.carry = None

    async def take(self, messages: Sequence[Message], answer: Reply[Any]) -> None:
        """Take messages of another node, and answer once they are durable."""
        try:
            await self._journal.take(messages)
            answer.set(None)
        except JournalError as error:
            answer.fail(error)
        except trio.Cancelled:
            answer.fail(UnknownOutcomeError("this node is stopping"))
            raise

    async def _carry(self, partition: int, messages: Sequence[Message]) -> bool:
        """Give messages to the owner of their partition. Returns whether they are durable there."""
        owner = self._node.owner_of(partition)
        if owner is None or owner.name == self._node.name:
            return False
        request = ObjectRequest(messages[0].to, TakeMessages(messages), Stamp(self._now(), cause="", by=""))
        try:
            await self._ask(owner, request)
        except (ActorError, JournalError) as error:
            log.debug("node %s does not take messages of partition %d: %s", owner.name, partition, error)
            return False
        return True
