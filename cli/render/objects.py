"""A keyed object as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.render.output import counted
from cli.render.text_table import facts_lines, value_as_json
from cli.targets import written_object

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.model.object_info import ObjectInfo


def object_lines(info: ObjectInfo) -> Iterator[str]:
    """Yield the version, the holder, the queue and the fields of an object, one per line."""
    facts: list[tuple[str, Any]] = [
        ("object", f"{written_object(info.service, info.key)} ({info.kind.value})"),
        ("version", f"{info.version}, fields of {info.fields_version}"),
        ("history", f"kept from event {info.history_from}" if info.history_from > 1 else ""),
        ("held by", "" if info.holder is None else f"{info.holder}, whose changes are shown once it ends"),
        ("waiting", f"{info.waiting_count}: {', '.join(info.waiting[:3])}" if info.waiting_count else ""),
        ("open", info.open_invocations or ""),
    ]
    yield from facts_lines(facts)
    yield ""
    yield from facts_lines([(field, value_as_json(value)) for field, value in info.fields.items()])
    yield from facts_lines([(field, f"a log of {counted(length, 'item')}") for field, length in info.logs.items()])
    yield from facts_lines([(field, "a map") for field in info.maps])
    if info.undeclared:
        yield ""
        yield (
            f"{info.service} does not declare {', '.join(info.undeclared)}: stored, and read by no handler. "
            "If a field was renamed, name it in aliases=(…) of field()"
        )
