"""Snapshots in the database of the log: a chunk is a row, and a manifest is a row that names its chunks.

Publishing and removing take one lock, so that no chunk is removed while a manifest that names it becomes visible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from journal.replicated.postgres.connection import number_in
from journal.replicated.snapshots.store import PublishedSnapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from journal.replicated.postgres.connection import PostgresConnection
    from journal.replicated.postgres.log import PostgresLog

_ASKED_TOGETHER = 64
"""The database reads and hashes these chunks in one statement: at most 64 MB."""

_STATEMENTS = {
    "stored": "SELECT digest FROM {schema}.chunks WHERE digest = ANY ($1::bytea[]) AND sha256(data) = digest",
    "put": "INSERT INTO {schema}.chunks VALUES ($1::bytea, $2::bytea) ON CONFLICT (digest) DO UPDATE SET data = excluded.data",
    "get": "SELECT data FROM {schema}.chunks WHERE digest = $1::bytea",
    "lock": "SELECT pg_advisory_xact_lock(hashtext('{schema}.snapshots'))",
    "count": "SELECT count(*) FROM {schema}.chunks WHERE digest = ANY ($1::bytea[])",
    "publish": "INSERT INTO {schema}.snapshots (manifest, chunks) VALUES ($1::bytea, $2::bytea[])",
    "published": "SELECT number, manifest FROM {schema}.snapshots ORDER BY number DESC",
    "remove": "DELETE FROM {schema}.snapshots WHERE number = ANY ($1::bigint[])",
    "clean": (
        "WITH removed AS (DELETE FROM {schema}.chunks WHERE digest IN (SELECT digest FROM {schema}.chunks"
        " WHERE digest NOT IN (SELECT unnest(chunks) FROM {schema}.snapshots) LIMIT 1000) RETURNING 1)"
        " SELECT count(*) FROM removed"
    ),
}


class PostgresSnapshots:
    """A :class:`journal.replicated.snapshots.store.SnapshotStore` in PostgreSQL."""

    def __init__(self, log: PostgresLog) -> None:
        self._log = log
        self._statements = {name: text.format(schema=log.schema) for name, text in _STATEMENTS.items()}

    async def missing(self, chunks: Collection[bytes]) -> set[bytes]:
        asked, stored = list(chunks), set[bytes]()
        for first in range(0, len(asked), _ASKED_TOGETHER):
            page = asked[first : first + _ASKED_TOGETHER]
            found = await self._log.read_rows(self._statements["stored"], _array(page))
            stored.update(digest or b"" for (digest,) in found)
        return {*asked} - stored

    async def put(self, digest: bytes, data: bytes) -> None:
        await self._log.read_rows(self._statements["put"], digest, data)

    async def get(self, digest: bytes) -> bytes | None:
        found = await self._log.read_rows(self._statements["get"], digest)
        return found[0][0] if found else None

    async def publish(self, manifest: bytes, chunks: Collection[bytes]) -> bool:
        async with self._log.transaction() as connection:
            return await self._publish_in(connection, manifest, chunks)

    async def _publish_in(self, connection: PostgresConnection, manifest: bytes, chunks: Collection[bytes]) -> bool:
        named = _array(chunks)
        await connection.run(self._statements["lock"])
        [(found,)] = await connection.run(self._statements["count"], named)
        if number_in(found) != len(chunks):
            return False
        await connection.run(self._statements["publish"], manifest, named)
        return True

    async def published(self) -> Sequence[PublishedSnapshot]:
        found = await self._log.read_rows(self._statements["published"])
        return [PublishedSnapshot(number_in(number), manifest or b"") for number, manifest in found]

    async def remove(self, numbers: Collection[int]) -> None:
        await self._log.read_rows(self._statements["remove"], "{" + ",".join(map(str, numbers)) + "}")
        removed = 1
        while removed:  # in steps, so that none holds up a commit
            async with self._log.transaction() as connection:
                await connection.run(self._statements["lock"])
                [(found,)] = await connection.run(self._statements["clean"])
                removed = number_in(found)


def _array(digests: Iterable[bytes]) -> str:
    return "{" + ",".join(f'"\\\\x{digest.hex()}"' for digest in digests) + "}"
