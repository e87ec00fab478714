"""Several runtimes in one process and on virtual time, which are the nodes of one cluster: on one log in memory. They ask each other
directly, or over HTTP: on Unix sockets, whose bytes arrive without a wait."""

from __future__ import annotations

import os
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import outcome
import trio

from actors.cluster.transport import NodeTransport
from actors.engine.requests import TakeMessages
from actors.environment import Environment, Peers, offload_inline
from actors.errors import NotOwnerError, UnknownOutcomeError
from actors.runtime import Runtime, open_runtime
from journal import keys
from journal.errors import Unavailable
from journal.ids import stream_of
from journal.kv.memory import MemoryStore
from journal.replicated.journal import open_replicated
from journal.replicated.membership import HeartbeatPace, MemoryMembership
from journal.replicated.memory_log import MemoryLog
from journal.replicated.node import Node
from tests.virtual import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from actors.engine.requests import ObjectRequest
    from actors.engine.waiter import Reply
    from journal.replicated.membership import Heard, Member


@attrs.define(eq=False)
class Peer:
    """A node of the cluster: its runtime, and what cuts it off from the others."""

    name: str
    node: Node
    clock: VirtualClock
    """The clock by which it signs and accepts requests over HTTP."""
    take: Callable[[ObjectRequest], Reply[Any]] | None = None
    """Takes requests of other nodes, while it runs."""
    runtime: Runtime | None = None
    is_cut_off: bool = False
    """Whether neither its beats nor requests to it arrive. It can still write to the log, as a zombie can."""
    is_mute: bool = False
    """Whether its beats do not arrive."""
    is_deaf: bool = False
    """Whether it hears no beats."""
    hangs: bool = False
    """Whether its beats do not arrive, it hears none, and it answers no request; connections to it stay."""
    is_behind: bool = False
    """Whether it reads nothing from the log."""

    @property
    def client(self) -> Any:
        assert self.runtime is not None
        return self.runtime.client

    @property
    def engine(self) -> Any:
        assert self.runtime is not None
        return self.runtime.engine

    def owned(self) -> set[int]:
        """The partitions for which it may answer."""
        return {partition for partition in range(self.node.partitions) if self.node.may_answer(partition)}


class Cluster:
    """Nodes that run the same classes. ``partitions`` are shared by all."""

    def __init__(self, *classes: type, partitions: int = 4, seed: int = 1, over_http: bool = False) -> None:
        self.classes = classes
        self.over_http = over_http
        self.partitions = partitions
        self.clock = VirtualClock()
        self.log = MemoryLog()
        self.membership = MemoryMembership()
        self.peers: dict[str, Peer] = {}
        self.hops: list[tuple[str, str]] = []
        """Who has asked whom."""
        self.breaks_after_asking = False
        """Whether the connection of the next request breaks before its answer; then of no other until it is set again."""
        self._random = Random(seed)

    @asynccontextmanager
    async def running(self, count: int) -> AsyncIterator[list[Peer]]:
        """The nodes, once each partition has its owner for good."""
        async with AsyncExitStack() as stack:
            peers = [await stack.enter_async_context(self.peer(f"n{number}")) for number in range(1, count + 1)]
            await self.balanced()
            yield peers

    @asynccontextmanager
    async def peer(self, name: str) -> AsyncIterator[Peer]:
        """One node, until the block is left: then it leaves in order, and a dead one is gone at once."""
        (address, listener), clock = listening(), VirtualClock()
        transport = NodeTransport(name, "lab", [listener], payload_bytes=1 << 20, clock=clock, connect=connected)
        wire = _Wire(self, name, transport)
        node = Node(wire, name, partitions=self.partitions, address=address, clock=self.clock)
        peer = self.peers[name] = Peer(name, node, clock)
        async with (
            trio.open_nursery() as nursery,
            open_replicated(
                MemoryStore(),
                _LogOfNode(self, name),
                partitions=self.partitions,
                clock=self.clock,
                secret="lab",
                placement=node,
            ) as journal,
        ):
            environment = Environment(
                clock=self.clock,
                random=self._random,
                offload=offload_inline,
                offload_detached=offload_inline,
                peers=Peers(node, journal, wire.ask, wire.serve),
            )
            await nursery.start(node.run)
            async with open_runtime(*self.classes, journal=journal, environment=environment, drain=1.0) as runtime:
                peer.runtime = runtime
                yield peer
            nursery.cancel_scope.cancel()
        await listener.aclose()
        del self.peers[name]

    async def balanced(self) -> None:
        """Wait until each partition has one owner, and loads are even."""
        with trio.fail_after(10):
            while True:
                loads = [len(peer.owned()) for peer in self.peers.values()]
                if sum(loads) == self.partitions and max(loads) - min(loads) <= 1:
                    return
                await trio.sleep(0.01)

    def key_on(self, service: type, peer: Peer) -> str:
        """A key whose object is on that node."""
        return next(key for key in map(str, range(1000)) if self.partition_of(service, key) in peer.owned())

    def entries(self) -> int:
        """The number of entries in the logs of all partitions."""
        return sum(len(entries) for entries in self.log.entries.values())

    def outgoing(self, peer: Peer) -> list[bytes]:
        """The keys of messages that have not been sent, as this node has them."""
        prefixes = map(keys.outgoing_prefix, range(self.partitions))
        return [key for prefix in prefixes for key, _ in peer.engine.journal.scan(prefix, keys.after_prefix(prefix))]

    def partition_of(self, service: type, key: str) -> int:
        return stream_of(service.__name__, key) % self.partitions


class _LogOfNode(MemoryLog):
    """The log as one node reaches it."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        super().__init__()
        self.__dict__.update(cluster.log.__dict__)  # the same contents, and the same waiters
        self._cluster = cluster
        self._name = name

    async def read(self, partition: int, after: int) -> Sequence[bytes]:
        while self._cluster.peers[self._name].is_behind:
            await trio.sleep(0.05)
        return await super().read(partition, after)


@attrs.frozen(eq=False)
class _Wire:
    """How one node reaches the membership and the other nodes."""

    cluster: Cluster
    name: str
    transport: NodeTransport
    pace = HeartbeatPace()

    async def beat(self, member: Member) -> None:
        await self._reach(is_lost=self.cluster.peers[self.name].is_mute or self.cluster.peers[self.name].hangs)
        await self.cluster.membership.beat(member)

    async def members(self) -> Sequence[Heard]:
        await self._reach(is_lost=self.cluster.peers[self.name].is_deaf or self.cluster.peers[self.name].hangs)
        return await self.cluster.membership.members()

    async def leave(self, name: str) -> None:
        await self._reach()
        await self.cluster.membership.leave(name)

    async def changed(self) -> None:
        await self.cluster.membership.changed()

    async def ask(self, to: Member, request: ObjectRequest) -> Any:
        if not isinstance(request.command, TakeMessages):
            self.cluster.hops.append((self.name, to.name))
        peer = self.cluster.peers.get(to.name)
        if peer is None or peer.is_cut_off or self._is_cut_off():
            await trio.lowlevel.checkpoint()
            raise NotOwnerError(f"node {to.name} cannot be reached", node=to.name)
        if peer.hangs:
            await trio.sleep_forever()
        ask = partial(self.transport.ask, to, request) if self.cluster.over_http else partial(_ask, peer, request)
        answer: outcome.Maybe[Any] | None = None

        async def wait(ended: trio.Event) -> None:
            nonlocal answer
            answer = await outcome.acapture(ask)
            ended.set()

        async with trio.open_nursery() as nursery:
            ended = trio.Event()
            nursery.start_soon(wait, ended)
            while not ended.is_set() and not peer.is_cut_off:
                with trio.move_on_after(0.05):
                    await ended.wait()
            nursery.cancel_scope.cancel()
        breaks, self.cluster.breaks_after_asking = self.cluster.breaks_after_asking, False
        if answer is None or peer.is_cut_off or breaks:
            raise UnknownOutcomeError(f"the connection to node {to.name} broke")
        return answer.unwrap()

    async def serve(self, take: Callable[[ObjectRequest], Reply[Any]]) -> None:
        peer = self.cluster.peers[self.name]
        peer.take = take
        try:
            await self.transport.serve(take)
        finally:
            peer.take = None

    async def _reach(self, *, is_lost: bool = False) -> None:
        if is_lost or self._is_cut_off():
            await trio.lowlevel.checkpoint()
            raise Unavailable("cut off")

    def _is_cut_off(self) -> bool:
        return self.cluster.peers[self.name].is_cut_off


async def _ask(peer: Peer, request: ObjectRequest) -> Any:
    """Ask a node in this process."""
    if peer.take is None:
        await trio.lowlevel.checkpoint()
        raise NotOwnerError(f"node {peer.name} does not run yet", node=peer.name)
    return await peer.take(request).wait()


_addresses = count(1)


def listening() -> tuple[str, trio.SocketListener]:
    """A listener on a Unix socket without a file, and its address."""
    listening = socket.socket(socket.AF_UNIX)
    address = f"playhead-{os.getpid()}-{next(_addresses)}"
    listening.bind(f"\0{address}")
    listening.listen()
    return address, trio.SocketListener(trio.socket.from_stdlib_socket(listening))


async def connected(address: str) -> trio.SocketStream:
    """Connect to such a listener."""
    connecting = trio.socket.socket(socket.AF_UNIX)
    try:
        await connecting.connect(f"\0{address}")
    except BaseException:
        connecting.close()
        raise
    return trio.SocketStream(connecting)
