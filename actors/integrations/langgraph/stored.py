"""The values of nodes and of states, as they are recorded."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langgraph.checkpoint.serde.base import SerializerProtocol


def stored(serde: SerializerProtocol, value: Any) -> dict[str, Any]:
    """Return the value as JSON: as it is, for people who read the history, or else by the serializer of langgraph."""
    if _is_plain(value):
        return {"value": value}
    kind, data = serde.dumps_typed(value)
    return {"type": kind, "data": b64encode(data).decode()}


def restored(serde: SerializerProtocol, record: dict[str, Any]) -> Any:
    """Return the value of a record that :func:`stored` has made."""
    if "value" in record:
        return record["value"]
    return serde.loads_typed((record["type"], b64decode(record["data"])))


def _is_plain(value: Any) -> bool:
    """Report whether JSON gives back exactly this."""
    kind = type(value)
    if kind is dict:
        return all(type(key) is str and _is_plain(item) for key, item in value.items())
    if kind is list:
        return all(map(_is_plain, value))
    return kind in (str, int, bool, type(None)) or (kind is float and value - value == 0)
