"""The items of ``Log`` and ``Map`` fields, as an attempt reads them, and as it encodes them. The views of the collections are in
:mod:`actors.model.log_view` and :mod:`actors.model.map_view`.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from typing import TYPE_CHECKING, Protocol, TypeVar

from actors.errors import FieldMisuseError, UnserializableError
from actors.values import ValueProblem
from actors.values.limits import within_limit
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from actors.model.fields import Field
    from actors.values import Codec

T = TypeVar("T")

IMMUTABLE = (
    int,
    float,
    bool,
    str,
    bytes,
    type(None),
    enum.Enum,
    uuid.UUID,
    datetime.datetime,
    datetime.date,
    datetime.timedelta,
    decimal.Decimal,
)


class ItemAccess(Protocol):
    """The fields of an attempt, as its collections use them (:class:`actors.model.field_view.FieldView`)."""

    invocation_id: InvocationId
    is_writer: bool
    payload_bytes: int

    @property
    def items(self) -> Items: ...
    def check_turn(self, field: Field) -> None: ...
    def check_writable(self, field: Field) -> None: ...
    def pinned_items(self, field: Field) -> dict[str, bytes | None]: ...
    def plain_log(self, field: Field) -> list[bytes] | None: ...
    def plain_map(self, field: Field) -> dict[str, bytes] | None: ...
    def log_length(self, field: Field) -> int: ...


class Items(Protocol):
    """Reads the items of ``Log`` and ``Map`` fields as they were at the start of the attempt's view."""

    def log_lengths(self) -> Mapping[str, int]: ...
    def map_names(self) -> AbstractSet[str]: ...
    def log_items(self, field: str, start: int, stop: int) -> Sequence[bytes]: ...
    def map_item(self, field: str, key: bytes) -> bytes | None: ...
    def map_items(self, field: str) -> Iterable[tuple[bytes, bytes]]: ...


def encoded_item(codec: Codec[T], item: T, name: str, where: object, payload_bytes: int) -> bytes:
    """Encode an item as JSON. Raises :class:`UnserializableError` or :class:`LimitExceededError`."""
    try:
        data = codec.encode(item)
    except ValueProblem as error:
        path = f"{name}[{where}]{error.path[1:]}"
        raise UnserializableError(f"field {path}: {error.problem}", path=path) from error
    return data if len(data) <= payload_bytes else within_limit(data, payload_bytes, f"field {name}[{where}]")


def may_only_read(name: str) -> FieldMisuseError:
    """Return the error to raise when a shared handler has changed a value."""
    return FieldMisuseError(
        f"a @shared handler may only read, but this one changes {name!r}; make it a @handler, or send a message to one",
    )
