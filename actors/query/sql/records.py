"""Columns of public records: the name, type and description of a column are those of the record's field.

A text that is empty by default is NULL while it is empty, a truth is 1 or 0, and what SQL has no type for is JSON.
"""

from __future__ import annotations

import enum
import operator
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import attrs
import msgspec

from actors.query.sql.columns import Column, Type
from journal.errors import BrokenInvariant
from journal.fields import MOMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.query.snapshot import JournalSnapshot
    from actors.query.sql.result import Value


def columns_of(record: type, under: str = "", **renamed: str) -> tuple[Column[Any], ...]:
    """Return a column for each field of the record, which is the row itself or an attribute ``under`` of it; ``renamed`` gives
    a field's column another name.
    """
    before = f"{under}." if under else ""
    return tuple(
        column_of(record, name, f"{before}{name}", renamed.get(name, name)) for name in attrs.fields_dict(record)
    )


def column_of(record: type, field: str, path: str, name: str = "", reads: Sequence[str] = ()) -> Column[Any]:
    """Return the column of one field of the record, which a row has at this path of attributes."""
    kind, meta = _annotated(record, field)
    type_ = Type.TIME if meta.extra is not None and MOMENT in meta.extra else _type_of(kind)
    about = f"{meta.description}: 1 or 0" if kind is bool else str(meta.description)
    is_null_if_empty = attrs.fields_dict(record)[field].default == ""
    value = _value(type_, operator.attrgetter(path), is_null_if_empty=is_null_if_empty)
    return Column(name or field, type_, about, value, reads)


def _annotated(record: type, field: str) -> tuple[Any, msgspec.Meta]:
    hint = get_type_hints(record, include_extras=True)[field]
    if get_origin(hint) is Annotated:
        kind, *metas = get_args(hint)
        for meta in metas:
            if isinstance(meta, msgspec.Meta) and meta.description:
                return kind, meta
    raise BrokenInvariant(f"{record.__name__}.{field} becomes a column, so its annotation needs a description")


def _type_of(kind: Any) -> Type:
    known = {str: Type.TEXT, bool: Type.INTEGER, int: Type.INTEGER, float: Type.REAL}
    (alone, *others) = [one for one in get_args(kind) if one is not type(None)] or [kind]
    base = getattr(alone, "__supertype__", alone)
    if others or get_origin(kind) is tuple:
        return Type.JSON
    if isinstance(base, type) and issubclass(base, enum.Enum):
        return Type.TEXT
    return known.get(base, Type.JSON)


def _value(
    kind: Type, read: Callable[[Any], Any], *, is_null_if_empty: bool
) -> Callable[[Any, JournalSnapshot], Value]:
    match kind:
        case Type.JSON:
            return lambda row, _: msgspec.json.encode(read(row)).decode()
        case Type.INTEGER:
            return lambda row, _: None if (number := read(row)) is None else int(number)
        case Type.TEXT if is_null_if_empty:
            return lambda row, _: read(row) or None
        case Type.TEXT:
            return lambda row, _: text.value if isinstance(text := read(row), enum.Enum) else text
        case _:
            return lambda row, _: read(row)
