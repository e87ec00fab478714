"""The living nodes of a cluster, and the partitions that each of them owns. ::

    node ── heartbeat, again and again ──► membership ──► every node: the members, with the seconds since their last heartbeats

Heartbeats are stored outside the log, because they need not be durable and would only lengthen it. Heartbeats decide which node claims
a partition and where a request is sent. They never decide whether a commit is valid: only the log does, so a wrong belief costs only a
claim. A lock alone is not enough, because a process that is stopped keeps its locks.

Prior art: the heartbeats of Orleans (its membership table) and of Restate's cluster controller. Alternative refused: leases. Their
safety depends on clocks and on pauses of processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BEAT_SECONDS = 0.25
"""The time between two heartbeats of a node, where they are cheap and fast."""

DEAD_SECONDS = 1.2
"""The other nodes consider a node with a heartbeat of this age dead there, and it must not answer from memory."""

FORGOTTEN_SECONDS = 60.0
"""A node with a last heartbeat of this age may no longer be listed as a member, although it has not left."""


@attrs.frozen(kw_only=True)
class HeartbeatPace:
    """The time between two heartbeats of a node, and the age of a heartbeat from which its node is considered dead."""

    beat_seconds: float = BEAT_SECONDS
    dead_seconds: float = DEAD_SECONDS


@attrs.frozen(kw_only=True)
class Member:
    """A node, as described by its last heartbeat."""

    name: str
    """The name of this run of the node, unlike that of any other run."""
    url: str = ""
    """Where clients reach it; empty if they cannot."""
    address: str = ""
    """Where other nodes reach it, as ``host:port``; empty if they cannot."""
    owned: Mapping[int, int] = attrs.field(factory=dict)
    """The partitions that it has claimed, with the epochs of the claims. If two members name a partition, the higher epoch is of
    the later claim."""
    registry_version: int = 0
    """The event of the registry up to which it applies gates, limits and deployments."""
    is_leaving: bool = False
    """Whether it hands its partitions over to other nodes."""
    is_draining: bool = False
    """Whether an operator has asked that it own nothing."""
    now: float = 0.0
    """Its wall time at the heartbeat, in seconds."""
    applied: Mapping[int, int] = attrs.field(factory=dict)
    """The number of the last entry of each partition that it has applied. The log is not trimmed beyond these."""


@attrs.frozen
class Heard:
    """A member, and the seconds since its last heartbeat by the clock of the membership."""

    member: Member
    age_seconds: float
    dead_seconds: float = DEAD_SECONDS

    @property
    def is_alive(self) -> bool:
        """Whether its last heartbeat is recent enough."""
        return self.age_seconds < self.dead_seconds


class Membership(Protocol):
    """The heartbeats of all nodes of a cluster. Each method raises :class:`journal.errors.Unavailable` if it cannot be reached."""

    pace: HeartbeatPace

    async def beat(self, member: Member) -> None:
        """Record that the node lives, and its partitions. The first heartbeat makes it a member; a later one replaces the earlier."""
        ...

    async def members(self) -> Sequence[Heard]:
        """Return every member that has not left, in any order. A member whose last heartbeat is older than
        :data:`FORGOTTEN_SECONDS` may be missing."""
        ...

    async def leave(self, name: str) -> None:
        """Remove a member. An unknown name is ignored."""
        ...

    async def changed(self) -> None:
        """Return when a member may have changed its record. May return without a reason, and need not return for each change, so
        callers also read from time to time."""
        ...


class MemoryMembership:
    """A :class:`Membership` in memory, for nodes in one process. Its clock is trio's."""

    pace = HeartbeatPace()

    def __init__(self) -> None:
        self._heard: dict[str, tuple[Member, float]] = {}
        self._changed = trio.Event()

    async def beat(self, member: Member) -> None:
        await trio.lowlevel.checkpoint()
        known = self._heard.get(member.name)
        self._heard[member.name] = member, trio.current_time()
        if known is None or attrs.evolve(known[0], now=member.now, applied=member.applied) != member:
            self._tell()

    async def members(self) -> Sequence[Heard]:
        await trio.lowlevel.checkpoint()
        now = trio.current_time()
        return [Heard(member, now - at) for member, at in self._heard.values()]

    async def leave(self, name: str) -> None:
        await trio.lowlevel.checkpoint()
        if self._heard.pop(name, None) is not None:
            self._tell()

    async def changed(self) -> None:
        await self._changed.wait()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
