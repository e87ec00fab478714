"""This process as a node of a cluster: it sends heartbeats, reads those of the others, and computes the owner of each partition.

Invariant: a node answers for a partition from memory only while no other node can consider it dead. ::

    heartbeats   s1──e1        s2──e2                  s3──e3       began, ended; recorded somewhere between
    may answer   from e1 on … until s1 + DEAD, or s2 + DEAD, …      never later than the others wait
                                          lapse: e3 - s2 >= DEAD

After a lapse another node may have claimed any partition, so the node gives up all its claims and makes new ones. A node that has
received no heartbeats for as long may have missed such a claim, so it does not claim or answer either.
"""

from __future__ import annotations

from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

import attrs
import trio

from journal.clock import Clock, SystemClock
from journal.errors import InDoubt, StoreFailed, Unavailable
from journal.replicated.membership import Member
from journal.replicated.placement import NO_RULES, PlacementRules, placement
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from journal.errors import JournalError
    from journal.replicated.membership import Heard, Membership

log = SafeLogger(__name__)

STEADY_SECONDS = 2.0
"""How long a node that owns nothing must live until partitions move to it. One that is silent again and again, because its machine is
overloaded, then takes fewer of them with it."""

_SKEW_SECONDS = 0.5
"""A difference of two nodes' wall clocks from which timers are noticeably early or late. A heartbeat may be heard late by the time between
two of them."""


class Node:
    """A member of a cluster, and the :class:`journal.replicated.journal.Placement` of its journal."""

    def __init__(
        self,
        membership: Membership,
        name: str,
        *,
        partitions: int,
        url: str = "",
        address: str = "",
        clock: Clock | None = None,
    ) -> None:
        """Create a node that is not a member yet: :meth:`run` makes it one. ``name`` must be of this run alone. ``url`` and ``address``
        are as in :class:`journal.replicated.membership.Member`."""
        self.name = name
        self.url = url
        self.address = address
        self.partitions = partitions
        self.registry_version: Callable[[], int] = lambda: 0
        """Returns the event of the registry up to which this node applies it."""
        self.rules: Callable[[], PlacementRules] = lambda: NO_RULES
        """Returns the requests of operators."""
        self.applied: Callable[[], Mapping[int, int]] = dict
        """Returns the last entry of each partition that this node has applied."""
        self._membership = membership
        self._pace = membership.pace
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._is_leaving = False
        self._held: dict[int, int] = {}
        self._told_until = self._heard_until = -inf
        self._others: dict[str, Member] = {}
        self._alive_since: dict[str, float] = {}
        self._placement: dict[int, str] = {}
        self._has_changed = trio.Event()
        self._is_news = trio.Event()
        self._skewed: set[str] = set()
        self._is_reported = False
        self._awaited = (0, -inf)

    # State.

    @property
    def is_fresh(self) -> bool:
        """Whether every other node has heard of this one within the dead time, and this one of them, as far as it can know. A node
        that hears nothing does not know that another one has claimed what it owns."""
        return trio.current_time() < min(self._told_until, self._heard_until)

    @property
    def is_current(self) -> bool:
        """Whether this node applies every change of the registry that was acknowledged longer ago than the dead time: it is fresh, and
        for that long it has not been behind a node that it has heard."""
        version, since = self._awaited
        return self.is_fresh and (
            self.registry_version() >= version or trio.current_time() < since + self._pace.dead_seconds
        )

    def may_answer(self, partition: int) -> bool:
        """Return whether the node may answer for a partition from memory: it has claimed it, and no other node can have done so
        since because this one seemed dead."""
        return partition in self._held and self.is_fresh

    def owner_of(self, partition: int) -> Member | None:
        """Return the living member with the latest claim of the partition, this node included; None if there is none."""
        owners = [member for member in self.members() if partition in member.owned]
        return max(owners, key=lambda member: member.owned[partition], default=None)

    def members(self) -> Sequence[Member]:
        """Return the living members, this node first."""
        return [self._self(), *self._others.values()]

    async def changed(self) -> None:
        """Wait until the members, their partitions or their registry versions may have changed."""
        await self._has_changed.wait()

    # The placement of the journal.

    async def mine(self, partition: int) -> None:
        """Return when this node should claim the partition: it is placed here, no other living node owns it, and this one obeys the
        registry as far as every other one does. So no gate that all obeyed is missed by a new owner."""
        await trio.lowlevel.checkpoint()
        while not (
            self._is_placed_here(partition)
            and self.is_fresh
            and self._is_free(partition)
            and self._obeys_what_others_do()
        ):
            await self._has_changed.wait()

    async def lost(self, partition: int) -> None:
        """Return when the claim that this node has is worth nothing: another node has claimed the partition, or this one was silent
        for so long that another may have."""
        await trio.lowlevel.checkpoint()
        while partition in self._held and not self._is_superseded(partition):
            await self._has_changed.wait()

    async def moved(self, partition: int) -> None:
        """Return when the partition is placed on another node, which waits until this one has released it."""
        await trio.lowlevel.checkpoint()
        while self._is_placed_here(partition):
            await self._has_changed.wait()

    def claimed(self, partition: int, epoch: int) -> None:
        """Tell the others that this node has claimed the partition."""
        self._held[partition] = epoch
        self.announce()

    def released(self, partition: int, epoch: int) -> None:
        """Tell the others that the claim of this epoch has ended, and that the log has all its commits."""
        if self._held.get(partition) == epoch:
            del self._held[partition]
            self.announce()

    def announce(self) -> None:
        """Send a heartbeat at once, because the record of this node or the rules have changed."""
        self._place()
        self._is_news.set()
        self._tell()

    # Heartbeats.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Be a member until cancelled; started once the others have been heard. Raises what the membership raises, except
        ``Unavailable``."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._beat_for_ever)
                await nursery.start(self._hear_for_ever)
                task_status.started()
        finally:
            self._told_until = -inf
            with trio.move_on_after(self._pace.beat_seconds, shield=True), suppress(Unavailable, InDoubt):
                await self._membership.leave(self.name)

    async def leave(self) -> None:
        """Give every partition to the others; returns when this node owns none. If there is no other node, it keeps them, and this
        returns at once."""
        self._is_leaving = True
        self._place()
        self.announce()
        while self._held and any(not other.is_leaving for other in self._others.values()):
            await self._has_changed.wait()

    async def _beat_for_ever(self) -> None:
        began = -inf
        while True:
            before, began = began, trio.current_time()
            self._is_news = trio.Event()
            try:
                await self._membership.beat(self._self())
            except StoreFailed:
                raise
            except (InDoubt, Unavailable) as error:
                began = before
                self._told_until = -inf  # the others may hold this node dead at once
                self._tell()
                self._is_cut_off(error)
            else:
                self._was_heard(before, began)
            with trio.move_on_after(self._pace.beat_seconds):
                await self._is_news.wait()

    def _was_heard(self, before: float, began: float) -> None:
        """Count a heartbeat that began at ``began``; the last one that was recorded began at ``before``."""
        if self._held and trio.current_time() - before >= self._pace.dead_seconds:
            log.warning("node %s was silent for too long: it gives up its partitions, and claims them again", self.name)
            self._held.clear()
            self._alive_since.pop(self.name, None)
            self.announce()
        if self._is_reported:
            self._is_reported = False
            log.warning("node %s reaches the membership of the cluster again", self.name)
        was_fresh, self._told_until = self.is_fresh, began + self._pace.dead_seconds
        if not was_fresh:
            self._tell()

    def _is_cut_off(self, error: JournalError) -> None:
        if not self._is_reported:
            self._is_reported = True
            log.warning("node %s cannot reach the membership of the cluster: %s", self.name, error)

    async def _hear_for_ever(self, *, task_status: trio.TaskStatus[None]) -> None:
        has_started = False
        while True:
            began = trio.current_time()
            try:
                heard = await self._membership.members()
            except StoreFailed:
                raise
            except (InDoubt, Unavailable) as error:
                self._is_cut_off(error)
            else:
                self._hear(heard, began)
                if not has_started:
                    has_started = True
                    task_status.started()
            with trio.move_on_after(self._pace.beat_seconds):
                await self._membership.changed()

    def _hear(self, heard: Sequence[Heard], began: float) -> None:
        was_fresh = self.is_fresh
        living = {each.member.name: each.member for each in heard if each.is_alive and each.member.name != self.name}
        for each in heard:
            known = self._others.get(each.member.name)
            if known is not None and known.now != each.member.now:  # this heartbeat was sent a moment ago
                self._watch_clock(each)
        for name in self._others.keys() - living.keys():
            log.warning("node %s has left, or has been silent for %s s", name, self._pace.dead_seconds)
        has_changed = _sayings(living) != _sayings(self._others)
        self._others = living
        self._alive_since = {name: self._alive_since.get(name, began) for name in (self.name, *living)}
        self._heard_until = began + self._pace.dead_seconds
        if self.registry_version() >= self._awaited[0]:
            self._awaited = max((other.registry_version for other in living.values()), default=0), began
        placed = self._placement
        self._place()
        if has_changed or placed != self._placement or not was_fresh:
            self._tell()

    def _watch_clock(self, heard: Heard) -> None:
        member = heard.member
        skew = member.now + heard.age_seconds - self._clock.now()
        if heard.is_alive and abs(skew) > _SKEW_SECONDS + self._pace.beat_seconds and member.name not in self._skewed:
            self._skewed.add(member.name)
            log.warning(
                "the clock of node %s differs by %.1f s from that of node %s: set both, or timers are early or late",
                member.name,
                skew,
                self.name,
            )

    def _place(self) -> None:
        members = self.members()
        rules = self.rules()
        staying = [member for member in members if not member.is_leaving] or members
        staying = [member for member in staying if member.name not in rules.draining] or staying
        steady = [member for member in staying if self._is_steady(member)] or staying
        owners = {p: owner.name for p in range(self.partitions) if (owner := self.owner_of(p)) is not None}
        self._placement = placement([member.name for member in steady], self.partitions, owners, rules.moved)

    def _is_steady(self, member: Member) -> bool:
        """Whether partitions may move to the member."""
        since = self._alive_since.get(member.name, trio.current_time())
        return bool(member.owned) or trio.current_time() - since >= STEADY_SECONDS

    def _is_placed_here(self, partition: int) -> bool:
        return self._placement.get(partition) == self.name

    def _is_free(self, partition: int) -> bool:
        return all(partition not in member.owned for member in self._others.values())

    def _obeys_what_others_do(self) -> bool:
        return all(member.registry_version <= self.registry_version() for member in self._others.values())

    def _is_superseded(self, partition: int) -> bool:
        own = self._held[partition]
        return any(member.owned.get(partition, 0) > own for member in self._others.values())

    def _self(self) -> Member:
        return Member(
            name=self.name,
            url=self.url,
            address=self.address,
            owned=dict(self._held),
            registry_version=self.registry_version(),
            is_leaving=self._is_leaving,
            is_draining=self.name in self.rules().draining,
            now=self._clock.now(),
            applied=self.applied(),
        )

    def _tell(self) -> None:
        self._has_changed.set()
        self._has_changed = trio.Event()


def _sayings(members: Mapping[str, Member]) -> dict[str, Member]:
    """Return what members say, without what changes with each beat."""
    return {name: attrs.evolve(member, now=0.0, applied={}) for name, member in members.items()}
