"""Opens a data directory at rest for reading."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from actors.control.client import Client
from actors.control.offline.backend import OfflineBackend
from actors.environment import Environment
from actors.event_loop import require_trio
from actors.query.snapshot import JournalSnapshot
from actors.values.arguments import checked_text
from journal.ids import InvocationId, parse_invocation_id
from journal.log.open import open_for_reading

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.query.fsck.report import FsckReport


class OfflineClient(Client):
    """A client of a data directory at rest. Requests that need a server raise :class:`actors.UnavailableError` with the code
    ``offline``.

    ::

        async with actors.open_directory("playhead-data") as client:
            for name in await client.objects("Counter"):
                print(name.key, (await client.object("Counter", name.key).info()).fields)
    """

    _backend: OfflineBackend

    async def recording(self, of: InvocationId | str) -> str:
        """Return a recording of an invocation: a line of a file that :func:`actors.testing.replay_history` reads. It has the whole
        history and the object as of the start, with all values in them.

        Raises :class:`actors.NotFoundError`, and :class:`actors.LimitExceededError` if it is larger than 64 MiB.

        ::

            async with actors.open_directory("playhead-data") as client:
                Path("histories/claim.jsonl").write_text(await client.recording(claim))
        """
        return await self._backend.recording(parse_invocation_id(checked_text(of, "of")))

    async def examine(self) -> FsckReport:
        """Compare all other stored data with the events, as ``playhead doctor`` does. Reads the whole store, in a thread.

        ::

            for finding in (await client.examine()).findings:
                print(finding.where, finding.what)
        """
        return await self._backend.examine()


@asynccontextmanager
async def open_directory(path: str | os.PathLike[str]) -> AsyncIterator[OfflineClient]:
    """Open a data directory, or a backup, for reading without its process: lists, invocations with their
    histories, objects now and in the past, the audit log, SQL, and checks of other code.

    All data is as of the last commit. If a process has the directory open, the client shows the state at the time of this call;
    :func:`actors.connect` shows later changes. Requests that need a server raise :class:`actors.UnavailableError` with the code
    ``offline``. Raises :class:`actors.errors.StoreMissing` if there is no store, and :class:`actors.errors.StoreDamaged` if it has
    lost data.

    ::

        async with actors.open_directory("playhead-data") as client:
            for invocation in await client.invocations(where="status = 'paused'"):
                print(invocation.id, invocation.pause_reason)
    """
    require_trio("actors.open_directory()", "actors.aio.open_directory()", "trio.run()")
    reader, identity = open_for_reading(path)
    try:
        environment = Environment()
        snapshot = JournalSnapshot(view=reader, partitions=identity.partitions, now=environment.clock.now())
        yield OfflineClient(OfflineBackend(snapshot, str(Path(path)), environment))
    finally:
        reader.close()
