"""A journal on a replicated log. Each node applies all logs to a store of its own and may own any partition.

A partition that this node does not own is followed, so every node reads, lists and queries all of them, a little late.

Invariant: a claim is an entry of the log after everything that the former owner committed, so an owner begins with all of it, and
the former owner's next entry is refused. The tasks of a claim (appending, posting, taking in) end it if they fail.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol

import trio

from journal import keys
from journal.errors import Fenced, InDoubt, JournalError, StoreFailed, Unavailable
from journal.ids import StreamId
from journal.kv.store import Batch
from journal.log.inbox import decode_posted, encode_message
from journal.log.kv_journal import KvJournal
from journal.log.streams import NO_STREAM
from journal.replicated.background import background
from journal.replicated.exchange import ReplicatedExchange
from journal.replicated.outgoing import Outgoing
from journal.replicated.snapshots.make import SnapshotMaker
from journal.replicated.store import ReplicatedStore
from journal.rows import StreamHead, decode_row
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from journal.clock import Clock
    from journal.kv.data_directory import HeldDirectory
    from journal.kv.store import Store
    from journal.log.inbox import HandedOverMessage
    from journal.log.partition import KvPartition
    from journal.log.protocol import Message
    from journal.replicated.log import PostedMessage, ReplicatedLog
    from journal.replicated.replica import Replica
    from journal.replicated.snapshots.store import SnapshotStore
    from journal.rows import Backlog

log = SafeLogger(__name__)

_DECIDED_WITHIN_SECONDS = 1.0
_REMOVING_SECONDS = 1.0
_CARRIED_BYTES = 1 << 20
_TRY_AGAIN_SECONDS = 0.2


class Placement(Protocol):
    """Says which partitions this node should own. A wrong answer costs a claim and never correctness."""

    async def mine(self, partition: int) -> None:
        """Return when this node should own the partition."""
        ...

    async def lost(self, partition: int) -> None:
        """Return when the claim that this node has is worth nothing, so that it ends at once."""
        ...

    def claimed(self, partition: int, epoch: int) -> None:
        """This node has claimed the partition."""
        ...

    def released(self, partition: int, epoch: int) -> None:
        """The claim of this epoch has ended, and everything that it committed is in the log."""
        ...


class AllMine:
    """The placement of a node that is alone."""

    async def mine(self, partition: int) -> None:
        await trio.lowlevel.checkpoint()

    async def lost(self, partition: int) -> None:
        await trio.sleep_forever()

    def claimed(self, partition: int, epoch: int) -> None:
        """Do nothing."""

    def released(self, partition: int, epoch: int) -> None:
        """Do nothing."""


@asynccontextmanager
async def open_replicated(
    local: Store,
    replicated: ReplicatedLog,
    *,
    partitions: int,
    secret: str | None = None,
    directory: HeldDirectory | None = None,
    backlog: Backlog | None = None,
    clock: Clock | None = None,
    placement: Placement | None = None,
) -> AsyncIterator[ReplicatedJournal]:
    """Open the journal that is in a log, with a copy of it in ``local``. Catches up before the block begins.

    Raises :class:`journal.errors.LogDiverged` if the log does not continue the copy.
    """
    async with background() as nursery:
        store = ReplicatedStore(local, replicated, partitions)
        journal = ReplicatedJournal(
            store,
            nursery,
            secret=secret,
            directory=directory,
            backlog=backlog,
            clock=clock,
            placement=placement or AllMine(),
        )
        await journal.start()
        yield journal
        nursery.cancel_scope.cancel()


class ReplicatedJournal(KvJournal):
    """A journal whose partitions are owned by several nodes."""

    exchange: ReplicatedExchange

    def __init__(
        self,
        store: ReplicatedStore,
        nursery: trio.Nursery,
        *,
        secret: str | None,
        directory: HeldDirectory | None,
        backlog: Backlog | None,
        clock: Clock | None,
        placement: Placement,
    ) -> None:
        """Create the journal; its tasks run in the ``nursery``."""
        super().__init__(
            store, partitions=len(store.replicas), clock=clock, secret=secret, directory=directory, backlog=backlog
        )
        self._log = store.log
        self._local = store.local
        self._replicas = store.replicas
        self._nursery = nursery
        self._placement = placement
        self.carry: Callable[[int, Sequence[Message]], Awaitable[bool]] | None = None
        """Gives messages to the node that owns their partition. Returns whether they are durable there."""
        self._following: dict[int, trio.CancelScope] = {}
        self._unfollowed: set[int] = set()
        self._applying = [trio.Lock() for _ in store.replicas]

    def snapshot_maker(self, snapshots: SnapshotStore, *, name: str) -> SnapshotMaker:
        """Return what makes snapshots of this node's copy. Raises ``Unavailable`` if the copy is not in a directory."""
        if self.directory is None:
            raise Unavailable("this node's copy is in memory, and no snapshot can be made of it")
        return SnapshotMaker(self._local, self.directory, snapshots, partitions=self.partitions, name=name)

    def applied(self) -> dict[int, int]:
        """Return the last entry of each partition that this node has applied."""
        return {replica.partition: replica.applied_to for replica in self._replicas}

    def make_exchange(self) -> ReplicatedExchange:
        return ReplicatedExchange(self._settled, self.clock, self.partitions)

    async def start(self) -> None:
        """Apply the entries of the logs, and follow them."""
        for replica in self._replicas:
            await replica.check_log()
            await self._catch_up(replica)
            self._follow(replica)

    # Owning.

    @asynccontextmanager
    async def claim(self, partition: int, owner: str) -> AsyncIterator[KvPartition]:
        """Own the partition for the block; earlier owners on any node are fenced. Waits until the placement gives it to this
        node."""
        self.check_number(partition)
        replica = self._replicas[partition]
        async with background() as nursery:
            claimed = await self._claim(replica, nursery)
            self._placement.claimed(partition, claimed.epoch)
            outgoing = Outgoing(partition, self.exchange, self._settled, self.send_all)
            try:
                nursery.start_soon(outgoing.run)
                nursery.start_soon(self._take_in, claimed)
                nursery.start_soon(self._leave_when_lost, claimed)
                yield claimed
            finally:
                nursery.cancel_scope.cancel()
                with trio.move_on_after(_REMOVING_SECONDS, shield=True), suppress(JournalError):
                    await outgoing.remove()
                if self.end_claim(claimed):
                    with trio.CancelScope(shield=True):
                        await replica.let_go()
                    # The store is never ahead of the log, so it shows which commits were kept.
                    self.look_again()
                    self._follow(replica)
                self._placement.released(partition, claimed.epoch)

    async def _claim(self, replica: Replica, nursery: trio.Nursery) -> KvPartition:
        while True:
            await self._placement.mine(replica.partition)
            await self._store.recover()
            await self._stop_following(replica)
            try:
                if not replica.is_owned:
                    await replica.check_log()
                    await self._catch_up(replica)
                    self.look_again()
                    self.exchange.forget_partition(replica.partition)
                    await self._nursery.start(replica.own)
                return await self.begin_claim(replica.partition)
            except Fenced:
                log.info("partition %d was claimed by another node at the same time", replica.partition)
                await self._give_back(replica)
            except BaseException:
                await self._give_back(replica)
                raise

    async def _give_back(self, replica: Replica) -> None:
        with trio.CancelScope(shield=True):
            await replica.let_go()
        self.look_again()
        self._follow(replica)

    async def _leave_when_lost(self, claimed: KvPartition) -> None:
        await self._placement.lost(claimed.number)
        raise Fenced(claimed.number, claimed.epoch, None)

    # Following.

    def _follow(self, replica: Replica) -> None:
        if replica.partition not in self._following:
            scope = self._following[replica.partition] = trio.CancelScope()
            self._nursery.start_soon(self._keep_following, replica, scope)

    async def _stop_following(self, replica: Replica) -> None:
        scope = self._following.pop(replica.partition, None)
        if scope is not None:
            scope.cancel()
        self._follows(replica.partition)
        async with self._applying[replica.partition]:  # an entry that is being applied has been applied
            pass

    async def _keep_following(self, replica: Replica, scope: trio.CancelScope) -> None:
        with scope:
            while True:
                try:
                    await self._catch_up(replica)
                    self._follows(replica.partition)
                    await self._log.wait(replica.partition, replica.read_to)
                except StoreFailed:
                    raise
                except (InDoubt, Unavailable) as error:
                    self._cannot_follow(replica.partition, error)
                    await trio.sleep(_TRY_AGAIN_SECONDS)

    def _cannot_follow(self, partition: int, error: JournalError) -> None:
        """Note that the log of a partition cannot be read. The first is logged: an outage concerns all at about the same time."""
        if not self._unfollowed:
            log.warning("the log cannot be read now, so what other nodes commit is not seen here: %s", error)
        self._unfollowed.add(partition)

    def _follows(self, partition: int) -> None:
        if self._unfollowed:
            self._unfollowed.discard(partition)
            if not self._unfollowed:
                log.warning("the log can be read again, on all partitions")

    async def _catch_up(self, replica: Replica) -> None:
        async with self._applying[replica.partition]:
            await replica.catch_up(self._announce_applied)

    def _announce_applied(self, batch: Batch) -> None:
        """Tell readers of another owner's commit."""
        heads = {
            StreamId(keys.stream_of_head(key)): NO_STREAM if value is None else decode_row(StreamHead, value)
            for key, value in batch.rows.items()
            if keys.is_head(key)
        }
        self.exchange.announce(heads, batch.rows)

    # Messages between partitions.

    async def send(self, message: Message) -> None:
        """Send a message to the object's partition, on any node; returns when it is durable."""
        await self.send_all([message])

    async def send_all(self, messages: Sequence[Message]) -> None:
        """Send messages to objects of one partition, on any node, in order; returns when they are durable."""
        partition = messages[0].to % self.partitions
        if self._replicas[partition].is_owned:
            with suppress(Fenced, InDoubt, Unavailable):  # they are posted then; a second arrival is recognised
                await self._send_here(partition, messages)
                return
        elif self.carry is not None and all([await self.carry(partition, some) for some in _by_size(messages)]):
            return
        for message in messages:
            await self._log.post(partition, message.id, encode_message(message))

    async def take(self, messages: Sequence[Message]) -> None:
        """Take messages of another node to objects of one partition that this node owns; returns when they are durable. Raises
        ``Unavailable`` if it does not own it, and what a commit raises."""
        partition = messages[0].to % self.partitions
        if not self._replicas[partition].is_owned or any(each.to % self.partitions != partition for each in messages):
            raise Unavailable(f"partition {partition} is not owned here")
        await self._send_here(partition, messages)

    async def _send_here(self, partition: int, messages: Sequence[Message]) -> None:
        """Send messages to a partition of this node. The commits that decide them make them durable, unless these are late."""
        handed_over = self.exchange.hand_over(messages)
        if handed_over is not None:
            with trio.move_on_after(_DECIDED_WITHIN_SECONDS):
                for each in handed_over:
                    await each.ended.wait()
            if all(each.is_kept for each in handed_over):
                return
        batch = Batch()
        arrived = self.exchange.post(batch, messages, partition)
        # A commit in any case: if these have arrived before, the commit that they came with may be on its way.
        self.exchange.outbox(partition).write_state(batch)
        await self._settled.commit(batch, partial(self._arrive, arrived, handed_over or ()))

    async def _take_in(self, claimed: KvPartition) -> None:
        """Commit the messages of the partition's post box to its inbox."""
        while True:
            try:
                found = await self._log.posted(claimed.number)
                if not found:
                    await self._log.wait_for_post(claimed.number)
                    continue
            except StoreFailed:
                raise
            except (InDoubt, Unavailable) as error:
                log.debug("the post box of partition %d cannot be read now: %s", claimed.number, error)
                await trio.sleep(_TRY_AGAIN_SECONDS)
                continue
            await self._commit_posted(claimed, found)

    async def _commit_posted(self, claimed: KvPartition, found: Sequence[PostedMessage]) -> None:
        batch = Batch()
        messages = [decode_posted(each.data) for each in found]
        arrived = self.exchange.post(batch, messages, claimed.number)
        # If this fails, the claim ends, as with each of its commits.
        await self._settled.commit(batch, partial(self._arrive, arrived))
        with suppress(InDoubt, Unavailable):  # they are read again then, and recognised
            await self._log.remove_posted(claimed.number, [each.token for each in found])

    def _arrive(self, arrived: Sequence[tuple[bytes, Message]], handed_over: Sequence[HandedOverMessage] = ()) -> None:
        for position, message in arrived:
            self.exchange.deliver(position, message)
        for each in handed_over:
            claim = self.exchange.claims.get(each.message.to % self.partitions)
            if claim is not None:
                claim.inbox.keep(each)


def _by_size(messages: Sequence[Message]) -> Iterator[list[Message]]:
    """Yield the messages in order, some at a time: few enough for one request."""
    some: list[Message] = []
    size = 0
    for message in messages:
        if some and size + len(message.data) > _CARRIED_BYTES:
            yield some
            some, size = [], 0
        some.append(message)
        size += len(message.data)
    yield some
