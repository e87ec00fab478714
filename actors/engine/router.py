"""Brings a request for a partition that this node does not own to the node that does, in one hop. ::

    client ─► any node ── owned here ──────────────► processor
                     └── not owned here ─► router ─► owner ─► its processor     the answer comes back the same way

If no node owns the partition, the request waits a few seconds for the next owner; then it is refused with
:class:`actors.errors.NotOwnerError`. A node accepts a forwarded request only for its own processors, so a request takes one hop and is
never forwarded in a circle.

Invariant: a request is sent again only if repeating it is harmless: a call or a send is identified by its invocation id, a verb by its
idempotency key, and a read changes nothing. Any other request whose connection broke is answered with
:class:`actors.errors.UnknownOutcomeError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import trio

from actors.core import commands as c
from actors.core.state import REQUEST
from actors.engine.callers import require_client
from actors.engine.message_carrier import MessageCarrier
from actors.engine.requests import AuditOnly, AwaitOutcome, Describe, ObjectRequest, TakeMessages
from actors.engine.waiter import Reply
from actors.errors import ActorError, NotOwnerError, TooSlowError, UnavailableError, UnknownOutcomeError
from actors.event_loop import own_run
from actors.model.node_info import NodeInfo, NodeState
from journal.errors import BrokenInvariant, JournalError
from journal.events import Stamp
from journal.ids import InvocationId, stream_of_invocation
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping, Sequence

    from actors.engine.processor import PartitionProcessor
    from actors.engine.processors import Receiver
    from actors.engine.registry import RegistryView
    from actors.environment import Peers
    from journal.replicated.membership import Member

log = SafeLogger(__name__)

OWNER_SECONDS = 2.0
"""How long a request waits for a node that owns its partition."""

REGISTRY_SECONDS = 5.0
"""How long a change of the registry waits until every living node obeys it."""

_LOOK_AGAIN_SECONDS = 0.05

_LONG_SECONDS = 2.0
"""How long a start may wait for owners before that is logged."""

_SETTLE_SECONDS = 0.2
"""How long a processor whose partition moves has to settle. What has not settled by then is left to the next owner."""


class RequestRouter:
    """Takes requests for partitions that have no processor here, and sends them to their owners."""

    def __init__(
        self,
        peers: Peers,
        processors: MutableMapping[int, PartitionProcessor],
        partitions: int,
        now: Callable[[], float],
    ) -> None:
        """Create a router. ``processors`` are those of this node; ``now`` is the wall clock."""
        self._node = peers.node
        self._peers = peers
        self._messages = MessageCarrier(peers, self._ask_node, now)
        self._processors = processors
        self._partitions = partitions
        self._now = now
        self._own_run = own_run()
        self._nursery: trio.Nursery | None = None
        self._asking: dict[str, set[trio.CancelScope]] = {}

    def __getitem__(self, partition: int) -> Receiver:
        """Return what takes requests for a partition: its processor if this node may answer for it, else the router."""
        return self._own(partition) or self

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry requests until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._messages.begin()
                task_status.started()
                await self._stop_asking_dead_nodes()
        finally:
            self._messages.end()
            self._nursery = None

    def submit(self, request: ObjectRequest, reply: Reply[Any]) -> None:
        """Send the request to the owner of its partition. Raises :class:`NotOwnerError` if this node is stopping, and
        :class:`MisuseError` in another event loop than the router's."""
        require_client(self._own_run)
        if self._nursery is None:
            raise self._not_owner(request.to % self._partitions)
        self._start(self._nursery, request, reply, None)

    # Owners.

    @property
    def node(self) -> str:
        """The name of this node."""
        return self._node.name

    @property
    def is_current(self) -> bool:
        """Whether this node applies what every node applied that acknowledged a change a moment ago; see ``Node.is_current``."""
        return self._node.is_current

    @property
    def owned(self) -> Sequence[int]:
        """The partitions that this node owns and may answer for."""
        return [partition for partition in range(self._partitions) if self._node.may_answer(partition)]

    @property
    def has_all_partitions(self) -> bool:
        """Whether each partition has an owner."""
        return all(self._node.owner_of(partition) is not None for partition in range(self._partitions))

    async def all_owned(self) -> None:
        """Wait until each partition has an owner, and say so if it takes long."""
        with trio.move_on_after(_LONG_SECONDS) as soon:
            await self._until_all_owned()
        if soon.cancelled_caught:
            log.info("waiting until each partition has an owner; 'playhead cluster status' shows them")
            await self._until_all_owned()

    async def _until_all_owned(self) -> None:
        while not self.has_all_partitions:
            await self._node.changed()

    async def move_when_asked(self, partition: int, processor: PartitionProcessor) -> None:
        """Wait until the partition is placed on another node, and prepare its move: take no more requests, let what is decided
        become durable, and have the callers that still wait answered by the next owner. The processor may be stopped then."""
        await self._node.moved(partition)
        del self._processors[partition]
        log.info("partition %d moves to another node", partition)
        with trio.move_on_after(_SETTLE_SECONDS) as settling:
            await processor.rest()
        if not settling.cancelled_caught:
            waiting = [reply for reply in processor.replies if reply.of is not None]
            processor.replies.difference_update(waiting)
            for reply in waiting:
                self._watch(reply)

    async def leave(self, seconds: float) -> None:
        """Give all partitions to the other nodes, if there are others, within this time."""
        with trio.move_on_after(seconds):
            await self._node.leave()

    def _watch(self, reply: Reply[Any]) -> None:
        """Wait at the next owner for the outcome of an invocation that was accepted here. If there is none in time, that is unknown:
        the caller may not be told that nothing was done."""
        of = InvocationId(reply.of or "")
        unknown = UnknownOutcomeError(
            f"the object of {of} has moved away from node {self._node.name}, and no other node has answered for it in time; ask again"
        )
        unknown.invocation_id = of
        if self._nursery is None:
            reply.fail(unknown)
            return
        stamp = Stamp(self._now(), of, "engine")
        request = ObjectRequest(stream_of_invocation(of), AwaitOutcome(of, reply), stamp)
        self._start(self._nursery, request, reply, unknown)

    # The nodes.

    @property
    def nodes(self) -> Sequence[NodeInfo]:
        """The living nodes, this one first."""
        return [
            NodeInfo(
                name=member.name,
                url=member.url,
                state=_state_of(member),
                partitions=tuple(sorted(member.owned)),
            )
            for member in self._node.members()
        ]

    def owner_of(self, partition: int) -> str:
        """Return the name of the node that owns a partition; empty if there is none."""
        owner = self._node.owner_of(partition)
        return "" if owner is None else owner.name

    async def until(self, has_moved: Callable[[], bool]) -> bool:
        """Wait until the heartbeats show that partitions have moved. Returns whether they do in time."""
        with trio.move_on_after(REGISTRY_SECONDS):
            while not has_moved():
                await self._node.changed()
        return has_moved()

    # The registry.

    async def tell_what_is_obeyed(self, registry: RegistryView) -> None:
        """Tell the other nodes up to which event this node obeys the registry, forever."""
        self._node.registry_version = lambda: registry.version
        self._node.rules = lambda: registry.placement
        while True:
            seen = registry.version
            self._node.announce()
            await registry.reached(seen + 1)

    async def obeyed(self, version: int) -> None:
        """Wait until every living node obeys the registry up to this event. Raises :class:`TooSlowError`, which names the others, if
        some do not in time. The change holds nevertheless, and they obey it as soon as they see it."""
        with trio.move_on_after(REGISTRY_SECONDS):
            while self._late(version):
                await self._node.changed()
        late = self._late(version)
        if late:
            raise TooSlowError(
                f"the change is made, but {', '.join(late)} did not apply it within {REGISTRY_SECONDS:g} seconds: look whether these "
                "nodes can read the log, or stop them",
                details={"nodes": late},
            )

    def _late(self, version: int) -> list[str]:
        return [member.name for member in self._node.members() if member.registry_version < version]

    # Requests.

    async def serve(self) -> None:
        """Take the requests of other nodes until cancelled."""
        await self._peers.serve(self.take_here)

    def take_here(self, asked: ObjectRequest) -> Reply[Any]:
        """Take a request that another node has sent. Raises :class:`NotOwnerError` if this node does not own its partition."""
        partition = asked.to % self._partitions
        processor = self._own(partition)
        if processor is None or self._nursery is None:
            raise self._not_owner(partition)
        if isinstance(asked.command, TakeMessages):
            answer = Reply[Any]()
            self._nursery.start_soon(self._messages.take, asked.command.messages, answer)
            return answer
        request, reply = with_reply(asked)
        processor.submit(request, reply)
        return reply

    def _start(
        self, nursery: trio.Nursery, request: ObjectRequest, reply: Reply[Any], unknown: UnknownOutcomeError | None
    ) -> None:
        scope = trio.CancelScope()
        reply.among = _Leaving(scope)
        nursery.start_soon(self._carry, request, reply, scope, unknown)

    async def _carry(
        self, request: ObjectRequest, reply: Reply[Any], scope: trio.CancelScope, unknown: UnknownOutcomeError | None
    ) -> None:
        with scope:
            try:
                reply.set(await self._answer_to(request, unknown))
            except (ActorError, JournalError) as error:
                reply.fail(error)
            except trio.Cancelled:
                reply.fail(_unknown(reply))
                raise

    async def _answer_to(self, request: ObjectRequest, unknown: UnknownOutcomeError | None) -> Any:
        """Return the answer of the owner. ``unknown`` is the error to raise without an answer if the request may have been carried out
        before; None if it is new."""
        partition = request.to % self._partitions
        deadline = trio.current_time() + OWNER_SECONDS
        while True:
            try:
                return await self._ask_owner(partition, request)
            except UnavailableError as error:
                is_late = trio.current_time() >= deadline
                if unknown is not None and (is_late or not isinstance(error, NotOwnerError)):
                    raise unknown from error  # the first try may have been carried out
                if not isinstance(error, NotOwnerError):
                    raise
                if is_late:
                    raise self._not_owner(partition, error) from None
            except UnknownOutcomeError as error:
                if not _may_be_repeated(request):
                    raise
                request, unknown = _repeated(request), error
                deadline = trio.current_time() + OWNER_SECONDS
            with trio.move_on_after(_LOOK_AGAIN_SECONDS):
                await self._node.changed()

    async def _ask_owner(self, partition: int, request: ObjectRequest) -> Any:
        processor = self._own(partition)
        if processor is not None:
            asked, reply = with_reply(request)
            processor.submit(asked, reply)
            return await reply.wait()
        owner = self._node.owner_of(partition)
        if owner is None or owner.name == self._node.name:
            await trio.lowlevel.checkpoint()
            raise self._not_owner(partition)
        return await self._ask_node(owner, request)

    async def _ask_node(self, owner: Member, request: ObjectRequest) -> Any:
        scopes = self._asking.setdefault(owner.name, set())
        with trio.CancelScope() as scope:
            scopes.add(scope)
            try:
                return await self._peers.ask(owner, request)
            finally:
                scopes.discard(scope)
                if not scopes and self._asking.get(owner.name) is scopes:
                    del self._asking[owner.name]
        raise UnknownOutcomeError(f"node {owner.name} was silent for too long before it answered")

    async def _stop_asking_dead_nodes(self) -> None:
        """Wait for no answer of a node that is dead: one that hangs, or is cut off, keeps its connections."""
        while True:
            living = {member.name for member in self._node.members()}
            for name in self._asking.keys() - living:
                for scope in self._asking.pop(name):
                    scope.cancel()
            await self._node.changed()

    def _own(self, partition: int) -> PartitionProcessor | None:
        """Return the partition's processor, if this node may answer for it."""
        processor = self._processors.get(partition)
        if processor is None or processor.is_closed or not self._node.may_answer(partition):
            return None
        return processor

    def _not_owner(self, partition: int, refusal: NotOwnerError | None = None) -> NotOwnerError:
        """Return the error; ``refusal`` is what the last try to ask the owner raised."""
        owner = self._node.owner_of(partition)
        if owner is not None and owner.name != self._node.name:
            where = f"node {owner.name} owns it"
            if refusal is not None and refusal.node == owner.name:  # it says why the owner did not take the request
                where += f", and did not take the request ({refusal})"
        else:
            owner, where = None, "no node owns it now"
        return NotOwnerError(
            f"partition {partition} is not owned by node {self._node.name}: {where}; try again",
            partition=partition,
            node="" if owner is None else owner.name,
            url="" if owner is None else owner.url,
        )


class _Leaving(set[Reply[Any]]):
    """Cancels a scope when the reply in it leaves it: the reply is answered, or its caller has stopped waiting and needs no answer."""

    def __init__(self, scope: trio.CancelScope) -> None:
        super().__init__()
        self._scope = scope

    def discard(self, element: object) -> None:
        self._scope.cancel()


def with_reply(request: ObjectRequest) -> tuple[ObjectRequest, Reply[Any]]:
    """Return the request with a reply of its own, and that reply."""
    command = request.command
    of = command.invocation_id if isinstance(command, (AwaitOutcome, Describe, c.Invoke)) else None
    reply: Reply[Any] = Reply(of, request.leaves_at_pause)
    match command:
        case AwaitOutcome():
            return msgspec.structs.replace(request, command=AwaitOutcome(command.invocation_id, reply)), reply
        case Describe():
            return msgspec.structs.replace(request, command=Describe(command.invocation_id, reply)), reply
        case AuditOnly():
            note = AuditOnly(act=command.act, reply=reply, refusal=command.refusal, dropped=command.dropped)
            return msgspec.structs.replace(request, command=note), reply
        case _ if request.outcome is not None:
            return msgspec.structs.replace(request, outcome=reply), reply
        case _ if request.reply is not None:
            return msgspec.structs.replace(request, reply=reply), reply
        case _:
            raise BrokenInvariant("a request of a client has no reply")


def _state_of(member: Member) -> NodeState:
    if member.is_leaving:
        return NodeState.LEAVING
    return NodeState.DRAINING if member.is_draining else NodeState.ALIVE


def _may_be_repeated(request: ObjectRequest) -> bool:
    return isinstance(request.command, (c.Invoke, AwaitOutcome, Describe)) or request.stamp.cause.startswith(REQUEST)


def _repeated(request: ObjectRequest) -> ObjectRequest:
    """Return the request as one that may have been carried out before."""
    return msgspec.structs.replace(request, is_fresh=False)


def _unknown(reply: Reply[Any]) -> UnknownOutcomeError:
    error = UnknownOutcomeError("this node stops before the owner of the object has answered; ask again")
    error.invocation_id = reply.of
    return error
