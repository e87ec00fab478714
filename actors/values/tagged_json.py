"""The values of an error's attributes as JSON, tagged with their types where JSON lacks them.

::

    {"$": "Decimal", "of": "1.50"}    a type of the table below; "tuple", "set" and "dict" hold items
    {"$": "hint", "of": …}            a value of the type that the attribute's annotation names
    {"$": "attribute", "of": "name"}  in ``args``: the value of that attribute
    {"$": "text"}                     in ``args``: the text of the error, because the argument cannot be kept
"""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from actors.values import codec_for
from actors.values.problem import show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from journal.events import Failure

TAG = "$"
_TAGGED: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        bytes,
        datetime.date,
        datetime.datetime,
        datetime.time,
        datetime.timedelta,
        decimal.Decimal,
        uuid.UUID,
    )
}
_CONTAINERS: dict[str, Any] = {kind.__name__: kind for kind in (tuple, set, frozenset)}


class _CannotBeKeptError(Exception):
    """A value would not come back equal and of the same type."""

    def __init__(self, value: Any) -> None:
        super().__init__(f"{show(value)} has no type to be read back with")


def write_value(value: Any, hint: Any) -> Any:
    """Return the value as JSON, by its own type or else by the annotation ``hint``. Raises if it would not come back equal."""
    try:
        return _as_json(value)
    except _CannotBeKeptError:
        if hint is None or hint is Any:
            raise
    return {TAG: "hint", "of": _exactly(hint, value)}


def read_value(value: Any, hint: Any) -> Any:
    """Return the value that :func:`write_value` wrote with this annotation."""
    if type(value) is dict and value.get(TAG) == "hint":
        return codec_for(hint).decode(msgspec.json.encode(value["of"]))
    return _from_json(value)


def write_argument(value: Any, attributes: Mapping[str, Any]) -> Any:
    """Return an item of ``args`` as JSON: a reference to an attribute, the value itself or, if it cannot be kept, a
    mark for the error's text."""
    for name, other in attributes.items():
        if value is other:
            return {TAG: "attribute", "of": name}
    try:
        return _as_json(value)
    except _CannotBeKeptError:
        return {TAG: "text"}


def read_argument(value: Any, attributes: Mapping[str, Any], failure: Failure) -> Any:
    """Return the argument that :func:`write_argument` wrote."""
    if type(value) is dict:
        match value.get(TAG):
            case "attribute":
                return attributes[value["of"]]
            case "text":
                return failure.message
    return _from_json(value)


def _as_json(value: Any) -> Any:
    """Return the value as JSON, with a tag where JSON lacks the type. Raises :class:`_CannotBeKeptError`."""
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {TAG: "float", "of": repr(value)}
    if kind is list:
        return [_as_json(item) for item in value]
    if kind is dict:
        items = [(key, _as_json(item)) for key, item in value.items()]
        if TAG not in value and all(type(key) is str for key, _ in items):
            return dict(items)
        return {TAG: "dict", "of": [[_as_json(key), item] for key, item in items]}
    if kind in _CONTAINERS.values():
        return {TAG: kind.__name__, "of": [_as_json(item) for item in value]}
    if kind in _TAGGED.values():
        return {TAG: kind.__name__, "of": _exactly(kind, value)}
    raise _CannotBeKeptError(value)


def _from_json(value: Any) -> Any:
    if type(value) is list:
        return [_from_json(item) for item in value]
    if type(value) is not dict:
        return value
    tag = value.get(TAG)
    if tag is None:
        return {key: _from_json(item) for key, item in value.items()}
    of = value["of"]
    if tag == "float":
        return float(of)
    if tag == "dict":
        return {_from_json(key): _from_json(item) for key, item in of}
    if tag in _CONTAINERS:
        return _CONTAINERS[tag](_from_json(item) for item in of)
    return codec_for(_TAGGED[tag]).decode(msgspec.json.encode(of))


def _exactly(kind: Any, value: Any) -> msgspec.Raw:
    """Return the value encoded as this type. Raises :class:`_CannotBeKeptError` if it would not come back equal."""
    codec = codec_for(kind)
    data = codec.encode(value)
    back = codec.decode(data)
    if type(back) is not type(value) or not (back == value):
        raise _CannotBeKeptError(value)
    return msgspec.Raw(data)
