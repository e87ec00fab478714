"""The audit log: who controlled what, read from its rows."""

from __future__ import annotations

import heapq
import re
from typing import TYPE_CHECKING, Annotated

import attrs

from actors.errors import InvalidArgumentError
from journal import keys
from journal.fields import described
from journal.rows import AuditRow, decode_audit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.query.snapshot import JournalSnapshot

_PAGE = 256


@attrs.frozen(kw_only=True)
class AuditQuery:
    """A filter for audit rows, newest first. None matches every value. ``after`` is the ``next`` of the page before."""

    by: str | None = None
    verb: str | None = None
    target: str | None = None
    limit: int = 100
    after: str | None = None

    def wants(self, row: AuditRow) -> bool:
        """Report whether the row matches the filter."""
        return (
            (self.by is None or row.by == self.by)
            and (self.verb is None or row.verb == self.verb)
            and (self.target is None or row.target == self.target)
        )


@attrs.define(kw_only=True, on_setattr=attrs.setters.frozen, unsafe_hash=True)
class AuditEntry(AuditRow):
    """A control request, applied or refused: its row in the chain of its ``partition``.

    ``by`` and ``source`` are the requester and its address. ``changed``, ``before`` and ``after`` are the result; a refused or
    denied request has a ``refusal`` instead. ``dropped`` counts the denied attempts before this row that were not recorded
    because there were too many.
    """

    partition: Annotated[int, described("the partition whose chain contains it")]


@attrs.frozen(kw_only=True)
class AuditPage:
    """Audit rows, newest first. ``next`` requests the following rows; None means that there are no more."""

    entries: list[AuditEntry]
    next: str | None = None


@attrs.frozen(kw_only=True)
class ChainHead:
    """The length of a partition's audit chain, and the hash over the whole chain."""

    partition: int
    number: int
    link: str


@attrs.frozen(kw_only=True)
class AuditCheck:
    """The result of verifying the chains. ``broken`` is the first row of each partition that does not follow from the one before."""

    heads: list[ChainHead]
    broken: list[str]

    @property
    def is_whole(self) -> bool:
        """Whether no row was changed or removed."""
        return not self.broken


def list_audit(snapshot: JournalSnapshot, query: AuditQuery) -> AuditPage:
    """Return a page of the audit log. Raises :class:`actors.InvalidArgumentError` if ``after`` is not the ``next`` of
    an earlier page.
    """
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
    """Return the number in each partition before which the page begins; None means at its end."""
    if after is None:
        return dict.fromkeys(range(snapshot.partitions))
    parts = after.split(".")
    if len(parts) != snapshot.partitions or not all(_STOP.fullmatch(part) for part in parts):
        raise InvalidArgumentError(
            f"after is {after[:80]!r}, expected the 'next' of an earlier page of the audit", path="after"
        )
    return {partition: None if part == _END else int(part) for partition, part in enumerate(parts)}


_END = "-"
_STOP = re.compile(r"-|[0-9]{1,19}")
