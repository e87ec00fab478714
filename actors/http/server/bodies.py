"""Reads bodies, and limits those of JSON: the number of values, and no name twice in an object.

The engine decodes a body on the event loop, and the cost depends on the number of values and not on the bytes: 9 MiB of zeros in
a list took seconds, a text of 9 MiB takes milliseconds. A number at the edge of the float range costs as much as a hundred others
(``1.5e300`` with msgspec 0.22). JSON readers silently keep one value of a repeated name, so the stored value would not be the
sent one.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import trio

from actors.errors import ErrorCode, InvalidArgumentError, LimitExceededError
from actors.http.problems import SlowBodyError
from actors.values.document import STRING

if TYPE_CHECKING:
    from actors.http.messages import HttpRequest

_LARGE_BYTES = 64 << 10
"""Larger bodies are checked outside the event loop."""

_EXTREME = re.compile(rb"[0-9][eE][+-]?[0-9]{3}")
_EXTREME_VALUES = 100


BODY_SECONDS = 30.0
"""How long the next piece of a body may take."""


async def read_whole(request: HttpRequest, limit: int) -> bytes:
    """Read the body of a request up to a limit. Raises :class:`actors.LimitExceededError`, :class:`SlowBodyError`, and as a
    :class:`actors.http.messages.Carrier` does."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise LimitExceededError(
            f"the body has {declared} bytes, the limit is {limit}",
            limit="payload_bytes",
            maximum=limit,
            found=int(declared),
            code=ErrorCode.TOO_LARGE,
        )
    data = bytearray()
    carrier = request.carrier
    while (piece := carrier.arrived()) != b"":
        if piece is None:
            with trio.move_on_after(BODY_SECONDS) as patience:
                await carrier.wait_for_more()
            if patience.cancelled_caught:
                raise SlowBodyError(f"no part of the body arrived for {BODY_SECONDS:g} seconds")
            continue
        data += piece
        if len(data) > limit:
            raise LimitExceededError(
                f"the body is longer than the limit of {limit} bytes",
                limit="payload_bytes",
                maximum=limit,
                code=ErrorCode.TOO_LARGE,
            )
    return bytes(data)


async def check_json(data: bytes, max_values: int) -> None:
    """Raise :class:`actors.LimitExceededError` or :class:`actors.InvalidArgumentError`. Invalid JSON passes this check, because
    its reader has a better message."""
    if len(data) < _LARGE_BYTES:
        _check(data, max_values)
    else:
        await trio.to_thread.run_sync(_check, data, max_values)


def _check(data: bytes, max_values: int) -> None:
    if (
        len(data) * _EXTREME_VALUES > max_values
        and _weight(data) > max_values
        and _weight(STRING.sub(b"", data)) > max_values
    ):
        raise LimitExceededError(
            f"the body has more than {max_values:,} values (limit payload_values)",
            limit="payload_values",
            maximum=max_values,
            code=ErrorCode.TOO_LARGE,
        )
    if data.count(b":") > 1:
        _refuse_repeated_names(data)


def _weight(data: bytes) -> int:
    """Return how many values a number counts as."""
    return _separators(data) + (_EXTREME_VALUES - 1) * len(_EXTREME.findall(data))


def _separators(data: bytes) -> int:
    """Return an upper bound of the number of values. Separators inside strings count too."""
    return data.count(b",") + data.count(b"[") + data.count(b"{") + 1


class _RepeatedName(Exception):
    pass


def check_names(pairs: list[tuple[str, Any]]) -> None:
    """Refuse an object of JSON with a name twice. Raises :class:`_RepeatedName`."""
    if len(pairs) > 1 and len({name for name, _ in pairs}) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _RepeatedName(name)
            seen.add(name)


def _refuse_repeated_names(data: bytes) -> None:
    try:
        json.loads(data, object_pairs_hook=check_names, parse_int=len, parse_float=len)
    except _RepeatedName as repeated:
        raise InvalidArgumentError(
            f"the body has the name {str(repeated)[:80]!r} twice in one object; send each name once"
        ) from None
    except (ValueError, RecursionError):
        return
