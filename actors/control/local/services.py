"""The engine, the clock, the limits and the queries that all parts of the local backend use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from actors.control.local.overview import shared_overview
from actors.errors import UnavailableError
from actors.model.keys import key_in_namespace
from actors.query.snapshot import open_snapshot
from actors.query.sql.queries import Queries

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from actors.control.local.shared_answer import SharedAnswer
    from actors.engine.engine import Engine
    from actors.environment import Environment
    from actors.query.overview import Overview
    from actors.query.snapshot import JournalSnapshot
    from actors.rows.audit import Principal
    from actors.values.limits import Limits
    from journal.ids import InvocationId
    from journal.rows import InvocationRow


class LocalServices:
    """The engine, the queue of queries, the shared overview, and the principal of the client.

    Each part of the backend derives from this class or from the parts that it needs, and none depends on the whole backend.
    """

    def __init__(
        self,
        engine: Engine,
        environment: Environment,
        limits: Limits,
        who: Principal,
        queries: Queries | None = None,
        overview: SharedAnswer[Overview] | None = None,
    ) -> None:
        self.engine = engine
        self.limits = limits
        self.environment = environment
        self.who = who
        self.queries = queries if queries is not None else Queries(environment, limits)
        self.overview = overview if overview is not None else shared_overview(engine)
        self.has_room = engine.journal.has_room

    def snapshot(self) -> AbstractAsyncContextManager[JournalSnapshot]:
        """Open a snapshot of the journal as of now, for the block. Raises as :meth:`Engine.check_open` does."""
        self.engine.check_open()
        return open_snapshot(self.engine.journal)

    async def checkpoint(self) -> None:
        """Let other tasks run, before an answer from memory. Raises as :meth:`Engine.check_open` does."""
        self.engine.check_open()
        await trio.lowlevel.checkpoint()

    async def row(self, of: InvocationId) -> InvocationRow:
        """Return the row of an invocation. Raises :class:`actors.NotFoundError`."""
        async with self.snapshot() as snapshot:
            return snapshot.invocation(of)

    def in_namespace(self, idempotency_key: str | None) -> str | None:
        """Return the idempotency key within the client's namespace."""
        return None if idempotency_key is None else key_in_namespace(self.who.idempotency_namespace, idempotency_key)

    def check_room(self) -> None:
        """Raise :class:`actors.UnavailableError` while the disk is too full for new work."""
        if not self.has_room():
            raise self.no_room()

    def no_room(self) -> UnavailableError:
        """Return the error for new work while the disk is too full for it."""
        journal = self.engine.journal
        # The texts name no path, because /health shows them to strangers.
        troubles = (trouble.text for trouble in journal.troubles() if trouble.stops_work)
        text = next(troubles, "the disk was nearly full a moment ago; try again")
        where = "" if journal.directory is None else f"{journal.directory.path}: "
        return UnavailableError(f"{where}new work is refused: {text}")
