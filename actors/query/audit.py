"""Who steered what: the audit, from its rows."""

from __future__ import annotations

import heapq
import re
from typing import TYPE_CHECKING

import attrs

from actors.errors import InvalidArgumentError
from journal import keys
from journal.rows import AuditRow, decode_audit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.query.snapshot import JournalSnapshot

_PAGE = 256


@attrs.frozen(kw_only=True)
class AuditQuery:
    """Which rows are wanted, newest first. None: whatever it is. ``after`` is the ``next`` of the page before."""

    by: str | None = None
    verb: str | None = None
    target: str | None = None
    limit: int = 100
    after: str | None = None

    def wants(self, row: AuditRow) -> bool:
        """Whether this is one of them."""
        return (
            (self.by is None or row.by == self.by)
            and (self.verb is None or row.verb == self.verb)
            and (self.target is None or row.target == self.target)
        )


@attrs.frozen(kw_only=True)
class AuditEntry:
    """A verb or a change was asked for, obeyed or not. ``partition`` and ``number`` say where it stands in the chain.

    ``by`` and ``origin`` are who and from where. ``changed``, ``before`` and ``after`` are what it did; a ``refusal`` is
    there instead if it was refused or denied. ``dropped`` denied tries went unrecorded before this one: there were too many.
    """

    partition: int
    number: int
    at: float
    by: str
    origin: str
    verb: str
    target: str
    detail: str
    reason: str
    request: str | None
    changed: bool
    before: str
    after: str
    refusal: str
    dropped: int


@attrs.frozen(kw_only=True)
class AuditPage:
    """Rows of the audit, newest first. ``next`` asks for the rows after them; None: there are no more."""

    entries: list[AuditEntry]
    next: str | None = None


@attrs.frozen(kw_only=True)
class ChainHead:
    """How far the chain of a partition goes, and the hash that stands for all of it. Keep it elsewhere to prove a cut later."""

    partition: int
    number: int
    link: str


@attrs.frozen(kw_only=True)
class AuditCheck:
    """Whether every row follows from the one before it. ``broken`` names the first that does not, in each partition."""

    heads: list[ChainHead]
    broken: list[str]

    @property
    def is_whole(self) -> bool:
        """Whether nothing was changed or taken out."""
        return not self.broken


def list_audit(snapshot: JournalSnapshot, query: AuditQuery) -> AuditPage:
    """A page of the audit. Raises :class:`actors.InvalidArgumentError` if ``after`` is no ``next`` of an earlier page."""
    stops = _stops(snapshot, query.after)
    found: list[AuditEntry] = []
    for partition, row in heapq.merge(*(_newest_first(snapshot, p, stops[p]) for p in stops), key=_newness):
        if len(found) == query.limit:
            return AuditPage(entries=found, next=_cursor(stops))
        stops[partition] = row.number
        if query.wants(row):
            found.append(AuditEntry(partition=partition, **attrs.asdict(row)))
    return AuditPage(entries=found)


def _newest_first(snapshot: JournalSnapshot, partition: int, stop_number: int | None) -> Iterator[tuple[int, AuditRow]]:
    prefix = keys.audit_prefix(partition)
    stop = keys.after_prefix(prefix) if stop_number is None else keys.audit(partition, stop_number)
    while True:
        page = snapshot.view.scan(prefix, stop, limit=_PAGE, reverse=True)
        yield from ((partition, decode_audit(data)) for _, data in page)
        if len(page) < _PAGE:
            return
        stop = page[-1][0]


def _newness(entry: tuple[int, AuditRow]) -> float:
    return -entry[1].at


def _cursor(stops: dict[int, int | None]) -> str:
    return ".".join(_END if number is None else str(number) for number in stops.values())


def _stops(snapshot: JournalSnapshot, after: str | None) -> dict[int, int | None]:
    """The number in each partition before which the page begins; None: at its end."""
    if after is None:
        return dict.fromkeys(range(snapshot.partitions))
    parts = after.split(".")
    if len(parts) != snapshot.partitions or not all(_STOP.fullmatch(part) for part in parts):
        raise InvalidArgumentError(f"after is {after[:80]!r}, expected the 'next' of an earlier page of the audit")
    return {partition: None if part == _END else int(part) for partition, part in enumerate(parts)}


_END = "-"
_STOP = re.compile(r"-|[0-9]{1,19}")
