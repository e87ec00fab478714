"""The sources of everything that differs between runs: time, randomness, threads."""

from __future__ import annotations

import random
from math import inf
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import attrs
import trio

from journal.clock import Clock, SystemClock
from journal.ids import InvocationId, Ulids, stream_of_invocation
from journal.mock_clock import MockedClock, is_mocked, still

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from journal.in_flight import InFlight
    from journal.replicated.journal import ReplicatedJournal
    from journal.replicated.membership import Member
    from journal.replicated.node import Node

T = TypeVar("T")

_THREADS = 64

_TRIES_FOR_NEAR = 64
"""How many ids are tried: a node that owns one partition of 16 finds one of its own in 98 of 100 cases."""


class Offload(Protocol):
    """Runs functions that would block the event loop."""

    async def __call__(self, function: Callable[[], Any]) -> Any: ...


def offload_to_threads() -> Offload:
    """Run in trio worker threads, at most 64 at a time. A thread cannot be stopped: a cancelled caller waits for its end. The
    function can call ``trio.from_thread.check_cancelled()`` to stop early."""
    limiter = trio.CapacityLimiter(_THREADS)

    async def offload(function: Callable[[], Any]) -> Any:
        return await trio.to_thread.run_sync(function, limiter=limiter)

    return offload


_NO_LIMIT = trio.CapacityLimiter(inf)


async def offload_detached(function: Callable[[], Any]) -> Any:
    """Run in a trio worker thread. A cancelled caller continues at once, and the function runs to its end with its result
    ignored."""
    return await trio.to_thread.run_sync(function, abandon_on_cancel=True, limiter=_NO_LIMIT)


def standing_still(offload: Offload) -> Offload:
    """The same, except that trio's ``MockClock`` does not jump while the function runs."""

    async def offload_while_still(function: Callable[[], Any]) -> Any:
        with still():
            return await offload(function)

    return offload_while_still


async def offload_inline(function: Callable[[], Any]) -> Any:
    """Run in the caller's thread; for tests, in which a virtual clock would run ahead of a thread."""
    await trio.lowlevel.checkpoint()
    return function()


@attrs.frozen(eq=False)
class Peers:
    """The other nodes of a cluster. ``node`` is this one, and ``journal`` is its journal. ``ask`` carries a request to another node and returns its answer. ``serve``
    gives the requests of other nodes to a function, whose answer waits, until it is cancelled.

    ``ask`` raises :class:`actors.errors.NotOwnerError` if the node was not reached or does not own the partition, so that nothing was
    done; :class:`actors.errors.UnknownOutcomeError` if the connection broke later; otherwise what the other node raises.
    """

    node: Node
    journal: ReplicatedJournal
    ask: Callable[[Member, Any], Awaitable[Any]]
    serve: Callable[[Callable[[Any], Any]], Awaitable[None]]


@attrs.define(eq=False)
class Environment:
    """The replaceable services of an engine. The defaults are the real ones.

    ``offload`` returns when the function has ended, even after a cancellation; ``offload_detached`` returns at once when
    cancelled and abandons the function. ``in_flight`` replaces the record in the data directory. Without ``has_watchdog``, no
    thread looks for code that blocks the event loop: it would measure real time under a virtual clock. With ``peers``, the
    engine owns only the partitions that are placed on this node.
    """

    clock: Clock = attrs.field(factory=SystemClock)
    random: random.Random = attrs.field(factory=random.SystemRandom)
    offload: Offload = attrs.field(factory=offload_to_threads)
    offload_detached: Offload = offload_detached
    in_flight: InFlight | None = None
    has_watchdog: bool = True
    peers: Peers | None = None
    unique: Callable[..., int] = attrs.field(init=False)
    """Makes a number that is greater than every one before (``Ulids.next``)."""
    new_id: Callable[..., InvocationId] = attrs.field(init=False)
    """Makes the id of a new invocation (``Ulids.new_id``)."""

    def __attrs_post_init__(self) -> None:
        ulids = Ulids(self.clock.now, self.random)
        self.unique, self.new_id = ulids.next, ulids.new_id
        if self.peers is not None:
            self.new_id = _near(self.peers.node, ulids.new_id)


def _near(node: Node, new_id: Callable[..., InvocationId]) -> Callable[..., InvocationId]:
    """Return the same, except that an invocation of a service, which has a partition by chance, gets one that this node owns, if it
    owns some: it needs no other node then."""

    def near_id(service: str, key: str | None, now: float | None = None) -> InvocationId:
        of = new_id(service, key, now)
        if key is None:
            for _ in range(_TRIES_FOR_NEAR):
                if node.may_answer(stream_of_invocation(of) % node.partitions):
                    break
                of = new_id(service, key, now)
        return of

    return near_id


def environment_of_run() -> Environment:
    """The environment on the clock of this trio run: under ``trio.testing.MockClock`` all time is virtual."""
    if not is_mocked():
        return Environment()
    return Environment(
        clock=MockedClock(),
        offload=standing_still(offload_to_threads()),
        offload_detached=standing_still(offload_detached),
    )
