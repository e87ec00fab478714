"""The audit log of one partition: a record of who controlled what, as a hash chain that reveals a changed or missing
row.

A row is written in the same commit as the change that it describes, so neither exists without the other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from journal import keys
from journal.ids import StreamId
from journal.log.protocol import Append
from journal.rows import FIRST_LINK, AuditRow, decode_audit, encode_audit, link_of_audit

if TYPE_CHECKING:
    from journal.log.protocol import Journal


@attrs.frozen
class Principal:
    """The identity of a client and its address: ``user:ada`` in this ``process``, ``token:ops`` at ``127.0.0.1:5123``.

    ``idempotency_namespace`` keeps the idempotency keys of two requesters apart (:func:`actors.model.keys.key_in_namespace`). It is empty for
    the process's own user and for tokens with the scope *admin*.
    """

    by: str
    source: str
    idempotency_namespace: str = ""


@attrs.frozen(kw_only=True)
class ControlAction:
    """The audit entry of a control request."""

    verb: str
    target: str
    detail: str = ""
    reason: str = ""
    request: str | None = None


NOBODY = StreamId(0)
"""The target of entries that concern no object."""


SET_ASIDE = "set-aside"
"""The engine's verb for an object that it has set aside after an internal error."""


_SET_ASIDE_AT = re.compile(r"stream ([0-9a-f]{16}), event ([0-9]{1,18})")


def detail_of_set_aside(stream: StreamId, version: int) -> str:
    """Return the audit detail of a set-aside object: its name and its last event."""
    return f"stream {stream:016x}, event {version}"


def place_of_set_aside(row: AuditRow) -> tuple[StreamId, int] | None:
    """Return the object's stream and last event from the audit row of a set-aside object; None for a row of another
    verb."""
    found = _SET_ASIDE_AT.fullmatch(row.detail) if row.verb == SET_ASIDE else None
    return None if found is None else (StreamId(int(found[1], 16)), int(found[2]))


class AuditTrail:
    """The end of the chain, to which the next row is linked."""

    def __init__(self, journal: Journal, partition: int) -> None:
        self._partition = partition
        self._number, self._link = 0, FIRST_LINK
        prefix = keys.audit_prefix(partition)
        for _, data in journal.scan(prefix, keys.after_prefix(prefix), limit=1, reverse=True):
            self._number, self._link = decode_audit(data).number, link_of_audit(data)

    def extend(self, row: AuditRow) -> tuple[bytes, bytes]:
        """Give a row its number, and link it to the chain. Returns its key and its value."""
        self._number = row.number = self._number + 1
        value, self._link = encode_audit(row, self._link)
        return keys.audit(self._partition, self._number), value


async def note_at_rest(journal: Journal, act: ControlAction, who: Principal, refusal: str = "") -> None:
    """Write an audit entry for an action that changes no row (as :meth:`actors.engine.engine.Engine.note` does) into a
    journal that no engine runs."""
    partition = NOBODY % journal.partitions
    row = AuditRow(
        number=0,
        at=journal.clock.now(),
        by=who.by,
        source=who.source,
        verb=act.verb,
        target=act.target,
        detail=act.detail,
        reason=act.reason,
        request=act.request,
        changed=not refusal,
        refusal=refusal,
    )
    async with journal.claim(partition, who.by) as claimed:
        key, value = AuditTrail(journal, partition).extend(row)
        await claimed.commit([Append.of(stream=NOBODY, expected=0, events=(), rows={key: value})])
