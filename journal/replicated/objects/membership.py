"""The heartbeats of a cluster's nodes in an object store: each node writes one object again and again.

Invariant: a member's heartbeat counts from when this node first saw it, which is never before it was recorded. So no clock of another
machine counts, and nobody holds a member dead earlier than that member expects.

A heartbeat says up to which entry its node has applied each log. Others learn from that that there are new entries.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import trio

from journal.replicated.member_codec import decode_member, encode_member
from journal.replicated.membership import FORGOTTEN_SECONDS, Heard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journal.replicated.membership import HeartbeatPace, Member
    from journal.replicated.objects.bucket import Bucket
    from journal.replicated.objects.log import ObjectLog


class ObjectMembership:
    """A :class:`journal.replicated.membership.Membership` beside a log in an object store."""

    def __init__(self, log: ObjectLog, bucket: Bucket, pace: HeartbeatPace) -> None:
        """``bucket`` is the log's once more, so that heartbeats do not wait for other requests."""
        self.pace = pace
        self._log = log
        self._bucket = bucket
        self._heard: dict[str, tuple[str | None, Member, float]] = {}

    async def beat(self, member: Member) -> None:
        await self._bucket.put(self._name(member.name), encode_member(member))

    async def members(self) -> Sequence[Heard]:
        listed = {each.name: each.tag for each in await self._bucket.listed(f"{self._log.root}/nodes")}
        self._heard = {name: heard for name, heard in self._heard.items() if name in listed}
        changed = [name for name, tag in listed.items() if name not in self._heard or self._heard[name][0] != tag]
        for name, data in zip(changed, await self._bucket.get_all(changed), strict=True):
            if data is None:  # it has left meanwhile
                self._heard.pop(name, None)
            else:
                self._heard[name] = listed[name], decode_member(data), trio.current_time()
        self._learn_of_entries()
        now = trio.current_time()
        found = [Heard(member, now - at, self.pace.dead_seconds) for _, member, at in self._heard.values()]
        await self._forget(now)
        return found

    async def leave(self, name: str) -> None:
        await self._bucket.remove([self._name(name)])

    async def changed(self) -> None:
        await trio.sleep(self.pace.beat_seconds / 2)

    def _learn_of_entries(self) -> None:
        for _, member, _ in self._heard.values():
            for partition, number in member.applied.items():
                self._log.hint(partition, number)

    async def _forget(self, now: float) -> None:
        """Remove the objects of nodes that have ended without leaving."""
        silent = [name for name, (_, _, at) in self._heard.items() if now - at > FORGOTTEN_SECONDS]
        if silent:
            await self._bucket.remove(silent)

    def _name(self, name: str) -> str:
        """Return the name of a node's object; a node may have characters in its name that an object may not."""
        return f"{self._log.root}/nodes/{hashlib.blake2b(name.encode(), digest_size=10).hexdigest()}"
