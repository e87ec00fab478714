"""A log in PostgreSQL: an entry is a row, and its number is in the primary key.

A row is written only after the row that its writer names, so two owners cannot both write entry 7. A commit is as durable as PostgreSQL
makes it. A server that would lose acknowledged commits in a power cut is refused.

Each entry reports the ``synchronous_commit`` that it was committed with, because a connection pooler may lend another session to each
statement, with other settings.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from journal.errors import InDoubt, LogTrimmed, Unavailable
from journal.kv.store import Durability
from journal.replicated.background import background
from journal.replicated.log import LogUnusable, PostedMessage, Superseded
from journal.replicated.postgres.connection import (
    ConnectionPool,
    PostgresConnection,
    Refused,
    complete_address,
    number_in,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from journal.replicated.postgres.connection import Row

POLL_SECONDS = 0.05
_LARGEST = 1 << 20
_SYNCHRONOUS = (b"on", b"remote_apply")

_TABLES = """
DO $$ BEGIN
PERFORM pg_advisory_xact_lock(hashtext('{schema}'));
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.entries (
    partition int, number bigint, data bytea NOT NULL, PRIMARY KEY (partition, number));
CREATE TABLE IF NOT EXISTS {schema}.posted (
    token bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, partition int NOT NULL, id text NOT NULL, data bytea NOT NULL,
    UNIQUE (partition, id));
CREATE TABLE IF NOT EXISTS {schema}.identity (number int PRIMARY KEY, identity bytea NOT NULL);
CREATE UNLOGGED TABLE IF NOT EXISTS {schema}.members (
    name text PRIMARY KEY, saying bytea NOT NULL, at timestamptz NOT NULL, session int NOT NULL) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS {schema}.snapshots (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, manifest bytea NOT NULL, chunks bytea[] NOT NULL);
CREATE TABLE IF NOT EXISTS {schema}.chunks (digest bytea PRIMARY KEY, data bytea NOT NULL);
ALTER TABLE {schema}.entries ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE {schema}.chunks ALTER COLUMN data SET STORAGE EXTERNAL;
END $$
"""
"""Data is stored as it is: it has been compressed."""

_STATEMENTS = {
    "append": (
        "INSERT INTO {schema}.entries SELECT $1::int, $2::bigint, $3::bytea WHERE EXISTS"
        " (SELECT FROM {schema}.entries WHERE partition = $1 AND number = $2 - 1)"
        " OR $2 = 1 AND NOT EXISTS (SELECT FROM {schema}.entries WHERE partition = $1) ON CONFLICT DO NOTHING"
        " RETURNING current_setting('synchronous_commit')"
    ),
    "identify": "INSERT INTO {schema}.identity VALUES (1, $1::bytea) ON CONFLICT DO NOTHING",
    "identity": "SELECT identity FROM {schema}.identity",
    # At most 256 rows, up to the one that reaches 8 MiB: a node that is behind in all partitions needs little memory.
    "read": (
        "SELECT number, data FROM (SELECT number, data, sum(octet_length(data)) OVER (ORDER BY number) - octet_length(data) AS before"
        " FROM (SELECT number, data FROM {schema}.entries WHERE partition = $1::int AND number > $2::bigint ORDER BY number LIMIT 256) f"
        ") s WHERE before < 8388608 ORDER BY number"
    ),
    "trim": (
        "WITH removed AS (DELETE FROM {schema}.entries WHERE partition = $1::int AND number IN (SELECT number FROM {schema}.entries"
        " WHERE partition = $1 AND number < least($2::bigint, (SELECT max(number) FROM {schema}.entries WHERE partition = $1))"
        " ORDER BY number LIMIT 1000) RETURNING 1) SELECT count(*) FROM removed"
    ),
    "bytes": (
        "SELECT coalesce(sum(octet_length(data)), 0)::bigint FROM {schema}.entries"
        " WHERE partition = $1::int AND number > $2::bigint"
    ),
    "post": "INSERT INTO {schema}.posted (partition, id, data) VALUES ($1::int, $2, $3::bytea) ON CONFLICT DO NOTHING",
    "posted": (
        "SELECT token, data FROM (SELECT token, data, sum(octet_length(data)) OVER (ORDER BY token) - octet_length(data) AS before"
        " FROM (SELECT token, data FROM {schema}.posted WHERE partition = $1::int AND token > $2::bigint ORDER BY token LIMIT 256) f"
        ") s WHERE before < 8388608 ORDER BY token"
    ),
    "remove": "DELETE FROM {schema}.posted WHERE partition = $1::int AND token = ANY ($2::bigint[])",
    "size": (
        "SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = '{schema}' AND c.relkind IN ('r', 'p')"
    ),
    "news": (
        "SELECT p, coalesce((SELECT number FROM {schema}.entries WHERE partition = p ORDER BY number DESC LIMIT 1), 0),"
        " EXISTS (SELECT FROM {schema}.posted WHERE partition = p) FROM unnest($1::int[]) p"
    ),
}


@asynccontextmanager
async def open_postgres_log(address: str, *, schema: str = "playhead") -> AsyncIterator[PostgresLog]:
    """Open the log in a schema of a database, and create it if there is none. ``address`` is a connection string of libpq or a URL.

    Raises ``MalformedAddress`` for an address that cannot be read, ``ValueError`` for a schema that is not an identifier, ``Unavailable``
    if the server accepts no connection, and :class:`journal.replicated.log.LogUnusable` if it would lose what it has acknowledged, or does not let
    the tables be created.
    """
    opened = PostgresLog(address, schema)
    try:
        await opened.prepare()
        async with background() as nursery:
            nursery.start_soon(opened.watch)
            yield opened
    finally:
        opened.close()


class PostgresLog:
    """A :class:`journal.replicated.log.ReplicatedLog` in PostgreSQL."""

    durability = Durability.REPLICATED
    largest = _LARGEST

    def __init__(self, address: str, schema: str) -> None:
        if not (schema.isidentifier() and schema.isascii() and schema.islower()):
            raise ValueError(f"the schema is {schema!r}, expected a name in lower case such as playhead")
        self._statements = {name: text.format(schema=schema) for name, text in _STATEMENTS.items()}
        self.schema = schema
        self.address = complete_address(address)
        self._pool = _CheckedPool(self.address)
        self._waiting: dict[trio.Event, tuple[int, int | None]] = {}
        self._has_waiting = trio.Event()

    async def prepare(self) -> None:
        """Create the tables if they are missing."""
        async with self._pool.connection() as connection:
            try:
                [(found,)] = await connection.run("SELECT to_regclass($1)", f"{self.schema}.chunks")
                if found is None:  # who may write into it need not be who may create it
                    await connection.run(_TABLES.format(schema=self.schema))
            except Refused as error:
                raise LogUnusable(
                    f"the tables of the log cannot be created: {error}; let the user of the address create the schema "
                    f"{self.schema!r}, or create it for that user"
                ) from error

    async def identify(self, identity: bytes) -> bytes:
        with trio.CancelScope(shield=True):
            await self._write("identify", identity)
        [(found,)] = await self._read("identity")
        return found or b""

    async def kept_identity(self) -> bytes | None:
        """Return the identity that the log has; None if it has none, or there is no log."""
        [(found,)] = await self.read_rows("SELECT to_regclass($1)", f"{self.schema}.identity")
        if found is None:
            return None
        kept = await self._read("identity")
        return kept[0][0] if kept else None

    async def last_entry(self, partition: int) -> int:
        """Return the number of the last entry of a partition; 0 if there is none."""
        [(_, last, _)] = await self._read("news", f"{{{partition}}}")
        return number_in(last)

    async def size(self) -> int:
        """Return the bytes that the tables have on disk."""
        [(found,)] = await self._read("size")
        return number_in(found)

    async def append(self, partition: int, after: int, data: bytes) -> None:
        with trio.CancelScope(shield=True):
            await self._append(partition, after, data)

    async def _append(self, partition: int, after: int, data: bytes) -> None:
        found = await self._write("append", partition, after + 1, data)
        if not found:
            raise Superseded(partition, after)
        [(setting,)] = found
        if setting not in _SYNCHRONOUS:
            raise InDoubt(
                f"PostgreSQL has committed with synchronous_commit = {_shown(setting)} although the session had it on: connect "
                "to the server itself, not to a pooler that lends a session to each transaction"
            )

    async def read(self, partition: int, after: int) -> Sequence[bytes]:
        found = await self._read("read", partition, after)
        # Entries are committed and trimmed in order, so the visible entries have no gap.
        if found and (first := number_in(found[0][0])) != after + 1:
            raise LogTrimmed(partition, after, first)
        return [data or b"" for _, data in found]

    async def wait(self, partition: int, after: int) -> None:
        await self._wait(partition, after)

    async def trim(self, partition: int, before: int) -> None:
        while True:  # in steps, so that none holds up a commit
            [(removed,)] = await self._read("trim", partition, before)
            if not number_in(removed):
                return

    async def bytes_after(self, partition: int, after: int) -> int:
        [(found,)] = await self._read("bytes", partition, after)
        return number_in(found)

    async def post(self, partition: int, message_id: str, data: bytes) -> None:
        with trio.CancelScope(shield=True):
            await self._write("post", partition, message_id, data)

    async def posted(self, partition: int) -> Sequence[PostedMessage]:
        return await self.posted_after(partition, 0)  # a row with a lower token than the last may become visible later

    async def posted_after(self, partition: int, token: int) -> Sequence[PostedMessage]:
        """Return some of the messages in the post box of a partition, at most 256 and about 8 MiB, from the one behind this token on."""
        found = await self._read("posted", partition, token)
        return [PostedMessage(number_in(token), data or b"") for token, data in found]

    async def wait_for_post(self, partition: int) -> None:
        await self._wait(partition, None)

    async def remove_posted(self, partition: int, tokens: Sequence[int]) -> None:
        if tokens:
            await self._read("remove", partition, "{" + ",".join(map(str, tokens)) + "}")

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    # Waiting: one statement for all partitions at a time.

    async def _wait(self, partition: int, after: int | None) -> None:
        """Wait for an entry behind ``after``, or for a posted message if that is None."""
        event = trio.Event()
        self._waiting[event] = partition, after
        self._has_waiting.set()
        try:
            await event.wait()
        finally:
            self._waiting.pop(event, None)

    async def watch(self) -> None:
        """Wake the waiting readers repeatedly."""
        while True:
            await trio.sleep(POLL_SECONDS)
            await self._has_waiting.wait()
            try:
                await self._wake()
            except (InDoubt, Unavailable):
                for event in self._waiting:  # their own reads raise the error
                    event.set()
            if not self._waiting:
                self._has_waiting = trio.Event()

    async def _wake(self) -> None:
        partitions = {partition for partition, _ in self._waiting.values()}
        found = await self._read("news", "{" + ",".join(map(str, partitions)) + "}")
        news = {number_in(partition): (number_in(last), is_posted == b"\1") for partition, last, is_posted in found}
        for event, (partition, after) in self._waiting.items():
            last, is_posted = news.get(partition, (0, False))
            if is_posted if after is None else last > after:
                event.set()

    async def read_rows(self, statement: str, *parameters: bytes | int | str) -> list[Row]:
        """Run a statement that may be run again. Raises ``Unavailable``."""
        try:
            return await self._run(statement, *parameters)
        except InDoubt as error:
            raise Unavailable(str(error)) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresConnection]:
        """Run the block's statements on the connection together: all of them are done when the block ends, none if it raises. Raises
        ``Unavailable`` if they are not done, and ``InDoubt`` if that is unknown."""
        async with self._pool.connection() as connection:
            try:
                await connection.run("BEGIN")
                try:
                    yield connection
                except BaseException:
                    connection.is_broken = True  # it is closed, so the server rolls back
                    raise
                await connection.run("COMMIT")
            except Refused as error:
                raise Unavailable(f"PostgreSQL has refused a statement: {error}") from error

    async def _read(self, name: str, *parameters: bytes | int | str) -> list[Row]:
        return await self.read_rows(self._statements[name], *parameters)

    async def _write(self, name: str, *parameters: bytes | int | str) -> list[Row]:
        return await self._run(self._statements[name], *parameters)

    async def _run(self, statement: str, *parameters: bytes | int | str) -> list[Row]:
        async with self._pool.connection() as connection:
            try:
                return await connection.run(statement, *parameters)
            except Refused as error:
                raise Unavailable(f"PostgreSQL has refused a statement: {error}") from error


class _CheckedPool(ConnectionPool):
    """Connections to servers that keep what they acknowledge."""

    async def connect(self) -> PostgresConnection:
        connection = await super().connect()
        try:
            await _make_safe(connection)
        except InDoubt as error:
            connection.close()
            raise Unavailable(str(error)) from error
        except BaseException:
            connection.close()
            raise
        return connection


async def _make_safe(connection: PostgresConnection) -> None:
    """Switch synchronous commits on. Raises :class:`LogUnusable` if the server does not keep what it acknowledges."""
    [(found,)] = await connection.run("SHOW synchronous_commit")
    if found not in _SYNCHRONOUS:
        await connection.run("SET synchronous_commit = on")
    for setting in ("fsync", "full_page_writes"):
        [(found,)] = await connection.run(f"SHOW {setting}")
        if found != b"on":
            raise LogUnusable(
                f"PostgreSQL runs with {setting} = {_shown(found)}, so a power cut could take back what it has acknowledged: "
                f"set {setting} = on"
            )


def _shown(setting: bytes | None) -> str:
    return (setting or b"").decode()
