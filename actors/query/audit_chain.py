"""Verifies the hash chain of the audit log: each row follows from the one before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from actors.query.audit import AuditCheck, ChainHead
from journal import keys
from journal.rows import FIRST_LINK, is_linked, link_of_audit

if TYPE_CHECKING:
    from actors.query.snapshot import JournalSnapshot
    from journal.kv.store import Readable

_PAGE = 256


@attrs.define(eq=False)
class ChainCheck:
    """The verification of one partition's chain, up to the last row verified so far."""

    partition: int
    number: int = 0
    link: bytes = FIRST_LINK
    broken: str = ""
    is_done: bool = False

    def go_on(self, rows: Readable) -> None:
        """Verify the next rows of the chain."""
        stop = keys.after_prefix(keys.audit_prefix(self.partition))
        page = rows.scan(keys.audit(self.partition, self.number + 1), stop, limit=_PAGE)
        self.is_done = len(page) < _PAGE
        for key, data in page:
            if key != keys.audit(self.partition, self.number + 1) or not is_linked(data, self.link):
                self.broken = f"partition {self.partition}: row {self.number + 1} is missing or was changed"
                self.is_done = True
                return
            self.number, self.link = self.number + 1, link_of_audit(data)

    @property
    def head(self) -> ChainHead:
        """The end of the verified part."""
        return ChainHead(partition=self.partition, number=self.number, link=self.link.hex())


async def check_audit(snapshot: JournalSnapshot) -> AuditCheck:
    """Verify every row of every partition's chain; other tasks run between pages."""
    chains = [ChainCheck(partition) for partition in range(snapshot.partitions)]
    for chain in chains:
        while not chain.is_done:
            chain.go_on(snapshot.view)
            await trio.lowlevel.checkpoint()
    return AuditCheck(heads=[chain.head for chain in chains], broken=[c.broken for c in chains if c.broken])
