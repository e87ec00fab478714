"""The audit log of a data directory that no process serves, for commands that change the directory themselves."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs

from actors.query.audit import AuditQuery, list_audit
from actors.query.snapshot import open_snapshot
from actors.rows.audit import Principal, note_at_rest
from cli.backend import user
from journal.kv.data_directory import DataDirectory
from journal.log.open import open_journal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.query.audit import AuditPage
    from actors.rows.audit import ControlAction
    from journal.log.protocol import Journal


@attrs.frozen
class OfflineAudit:
    """Writes and reads audit entries on behalf of the person at the command line."""

    journal: Journal
    who: Principal

    def acting_as(self, by: str, source: str) -> OfflineAudit:
        return attrs.evolve(self, who=Principal(by, source))

    async def note(self, act: ControlAction, *, refusal: str = "") -> None:
        await note_at_rest(self.journal, act, self.who, refusal)

    async def audit(self, *, verb: str, target: str, limit: int, after: str | None) -> AuditPage:
        async with open_snapshot(self.journal) as snapshot:
            return list_audit(snapshot, AuditQuery(verb=verb, target=target, limit=limit, after=after))


def person() -> Principal:
    """Return the principal of the user at the command line, for the audit log."""
    return Principal(f"user:{user() or 'unknown'}", "process")


@asynccontextmanager
async def open_audit(data: Path) -> AsyncIterator[OfflineAudit]:
    """Open the audit log of an existing directory. Raises :class:`actors.errors.StoreMissing` instead of creating one."""
    DataDirectory(data).identity()
    async with open_journal(data) as journal:
        yield OfflineAudit(journal, person())
