"""``sys_tag``: one row for each tag of each invocation, from the index of tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.query.sql.columns import Column, Path, Table, Type
from journal import invocation_keys
from journal.errors import MalformedIdError
from journal.ids import InvocationId, parse_invocation_id, stream_of_invocation
from journal.rows import InvocationRow, decode_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.query.snapshot import JournalSnapshot
    from actors.query.sql.columns import Wanted


@attrs.frozen
class _Tag:
    """A tag of an invocation."""

    invocation_id: InvocationId
    name: str
    value: str


def _of_invocation(snapshot: JournalSnapshot, wanted: Wanted) -> Iterator[_Tag]:
    try:
        of = parse_invocation_id(wanted.equal["invocation_id"])
    except MalformedIdError:
        return
    data = snapshot.get(invocation_keys.invocation(snapshot.partition_of(stream_of_invocation(of)), of))
    if data is not None:
        for name, value in (decode_row(InvocationRow, data).tags or {}).items():
            yield _Tag(of, name, value)


def _under(snapshot: JournalSnapshot, wanted: Wanted) -> Iterator[_Tag]:
    """Yield the tags with the wanted name and value, as far as they are given, oldest first in each partition."""
    name, value = wanted.equal.get("name"), wanted.equal.get("value")
    if "\x00" in (name or "") or "\x00" in (value or ""):
        return  # no tag has one, and in a key it would end the name
    for partition in range(snapshot.partitions):
        for key, _ in snapshot.rows_under(invocation_keys.tag_prefix(partition, name, value)):
            yield _Tag(InvocationId(invocation_keys.id_at_end(key)), *invocation_keys.parts_of_tag(key))


TAGS = Table[_Tag](
    name="sys_tag",
    about="One row for each tag of each invocation, to find invocations by their tags.",
    columns=(
        Column("invocation_id", Type.TEXT, "the invocation's id", lambda tag, _: tag.invocation_id),
        Column("name", Type.TEXT, "the name of the tag", lambda tag, _: tag.name),
        Column("value", Type.TEXT, "its value", lambda tag, _: tag.value),
    ),
    paths=(
        Path(name="invocation", scan=_of_invocation, equal=("invocation_id",), cost=1),
        Path(name="tag", scan=_under, equal=("name", "value"), cost=1_000),
        Path(name="name", scan=_under, equal=("name",), cost=20_000),
        Path(name="every", scan=_under, cost=100_000),
    ),
    identity=lambda tag: (tag.invocation_id, tag.name),
)
