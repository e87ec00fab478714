"""The heartbeats of a cluster's nodes, in an unlogged table of PostgreSQL.

Each node holds an advisory lock in the session that writes its heartbeats. When the process dies, the kernel closes the session and the
server frees the lock, so the others need not wait until the heartbeat is old. A process that is stopped keeps its lock, but its
heartbeat grows old.

Invariant: a node that lives and has lost its session learns that before the others count it as dead, since they give a member without
a lock a moment.
"""

from __future__ import annotations

import zlib
from math import inf
from typing import TYPE_CHECKING

import trio

from journal.errors import InDoubt, Unavailable
from journal.replicated.member_codec import decode_member, encode_member
from journal.replicated.membership import Heard, HeartbeatPace
from journal.replicated.postgres.connection import PostgresConnection, Refused, number_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from journal.replicated.membership import Member
    from journal.replicated.postgres.log import PostgresLog

POLL_SECONDS = 0.1
_MOMENT_SECONDS = 0.2

_STATEMENTS = {
    "beat": (
        "INSERT INTO {schema}.members VALUES ($1, $2::bytea, clock_timestamp(), pg_backend_pid())"
        " ON CONFLICT (name) DO UPDATE SET saying = excluded.saying, at = excluded.at, session = excluded.session"
    ),
    "members": (
        "SELECT name, saying, (extract(epoch FROM clock_timestamp() - at) * 1000000)::bigint, EXISTS (SELECT FROM pg_locks l"
        " WHERE l.locktype = 'advisory' AND l.classid = {space} AND l.objid = session::oid AND l.pid = session AND l.granted)"
        " FROM {schema}.members WHERE at > clock_timestamp() - interval '1 minute'"
    ),
    "leave": "DELETE FROM {schema}.members WHERE name = $1 OR at < clock_timestamp() - interval '1 hour'",
}


class PostgresMembership:
    """A :class:`journal.replicated.membership.Membership` beside a log in PostgreSQL."""

    pace = HeartbeatPace()

    def __init__(self, log: PostgresLog) -> None:
        self._log = log
        self._space = zlib.crc32(log.schema.encode()) & 0x7FFFFFFF
        self._statements = {
            name: text.format(schema=log.schema, space=self._space) for name, text in _STATEMENTS.items()
        }
        self._session: PostgresConnection | None = None
        self._has_session = trio.Event()
        self._unlocked: dict[str, float] = {}

    async def beat(self, member: Member) -> None:
        try:
            session = await self._own_session()
            await session.run(self._statements["beat"], member.name, encode_member(member))
        except (InDoubt, Refused) as error:
            raise Unavailable(f"the heartbeat was not recorded: {error}") from error

    async def members(self) -> Sequence[Heard]:
        found = await self._log.read_rows(self._statements["members"])
        now = trio.current_time()
        locked = {name for name, *_, is_locked in found if is_locked == b"\1"}
        self._unlocked = {str(name): self._unlocked.get(str(name), now) for name, *_ in found if name not in locked}
        return [
            Heard(
                decode_member(saying or b"", str(name)),
                inf if self._is_gone(str(name), now) else number_in(age) / 1_000_000,
            )
            for name, saying, age, _ in found
        ]

    async def leave(self, name: str) -> None:
        await self._log.read_rows(self._statements["leave"], name)

    async def changed(self) -> None:
        await trio.sleep(POLL_SECONDS)

    async def session_lost(self) -> None:
        """Return when a session in which this node has beaten is lost, so that others may soon count it as dead."""
        await self._has_session.wait()
        if self._session is not None:
            await self._session.lost()

    def close(self) -> None:
        """End the session of the heartbeats, which frees its lock."""
        if self._session is not None:
            self._session.close()

    def _is_gone(self, name: str, now: float) -> bool:
        return now - self._unlocked.get(name, inf) >= _MOMENT_SECONDS

    async def _own_session(self) -> PostgresConnection:
        session = self._session
        if session is not None and session.is_broken:
            session.close()
            self._session, self._has_session = None, trio.Event()
            raise Unavailable("the session of the heartbeats was lost")  # once: conclusions from its lock may be wrong
        if session is None:
            session = await PostgresConnection.open(self._log.address)
            try:
                await session.run("SET synchronous_commit = off")
                await session.run("SELECT pg_advisory_lock($1::int, pg_backend_pid())", self._space)
            except BaseException:
                session.close()
                raise
            self._session = session
            self._has_session.set()
        return session
