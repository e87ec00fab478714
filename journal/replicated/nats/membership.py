"""The heartbeats of a cluster's nodes, in a stream of NATS in memory.

A heartbeat is recorded when a majority of the stream's servers have it, and it is read from the stream's leader. So a node that has
recorded one is heard by whoever may claim something, even if the network between the servers is cut.

Invariant: a member's heartbeat counts from when this node first saw it, which is never before it was recorded. So no clock of another
machine counts, and nobody holds a member dead earlier than that member expects.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import attrs
import trio

from journal.errors import InDoubt, Unavailable
from journal.replicated.member_codec import decode_member, encode_member
from journal.replicated.membership import DEAD_SECONDS, FORGOTTEN_SECONDS, Heard, HeartbeatPace, Member
from journal.replicated.nats.jetstream import JetStreamRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journal.replicated.nats.log import NatsLog

_GONE = b""


class NatsMembership:
    """A :class:`journal.replicated.membership.Membership` beside a log in NATS."""

    pace = HeartbeatPace()

    def __init__(self, log: NatsLog) -> None:
        self._log = log
        self._heard: dict[str, tuple[Member, float]] = {}
        self._read_to = 0
        self._said: Member | None = None

    async def beat(self, member: Member) -> None:
        await self._put(member.name, encode_member(member))
        said = attrs.evolve(member, now=0.0, applied={})
        if said != self._said:
            self._said = said
            self._log.hint_of_beat()

    async def members(self) -> Sequence[Heard]:
        names = self._log.names
        stream = names.stream("beats")
        for message in await self._log.js.all_after(stream, self._read_to, f"{names.subjects}.beat.*"):
            self._read_to = message.number
            key = message.subject.rpartition(".")[2]
            if message.data == _GONE:
                self._heard.pop(key, None)
            else:
                self._heard[key] = decode_member(message.data), trio.current_time()
        now = trio.current_time()
        self._heard = {key: heard for key, heard in self._heard.items() if now - heard[1] < FORGOTTEN_SECONDS}
        return [Heard(member, now - at) for member, at in self._heard.values()]

    async def leave(self, name: str) -> None:
        await self._put(name, _GONE)
        self._log.hint_of_beat()

    async def changed(self) -> None:
        await self._log.wait_for_beat()

    async def _put(self, name: str, record: bytes) -> None:
        try:
            await self._log.js.put(f"{self._log.names.subjects}.beat.{_key(name)}", record, seconds=DEAD_SECONDS)
        except (InDoubt, JetStreamRefused) as error:
            raise Unavailable(f"the heartbeat was not recorded: {error}") from error


def _key(name: str) -> str:
    """Return the last word of a node's subject; a name may have characters that a subject may not."""
    return hashlib.blake2b(name.encode(), digest_size=10).hexdigest()
