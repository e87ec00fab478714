"""JSON as bytes: parsed with a limit on its depth, and written without changing any value."""

from __future__ import annotations

import re
import sys
import types
from typing import TYPE_CHECKING, Any

import msgspec

from actors.values.problem import Misfit, ValueProblem, reason_of, show, under_key

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH = 64
"""The deepest nesting of lists and objects in a value."""

TOO_DEEP = f"nested more than {MAX_DEPTH} deep, or a part of itself"

MAX_DIGITS = 4_300
"""The most characters of an integer, with its sign: msgspec reads no more. Python writes that many digits plus a sign.
"""

_TOO_LONG = f"an integer has more than {MAX_DIGITS} digits, including the sign; keep it as a text"

EXACT = (int, str, bool, types.NoneType)
"""The types that JSON represents exactly and uniquely."""

write_exact = msgspec.json.Encoder().encode
"""Encode plain values. Raises msgspec's errors."""

READ_EXACT: dict[type, Callable[[bytes], Any]] = {kind: msgspec.json.Decoder(kind).decode for kind in EXACT}

_read = msgspec.json.Decoder().decode
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""A string of JSON, with its quotes. One without an end reaches to the end of the data, so no byte is looked at twice."""

_HALF_PAIR = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
LONG = re.compile(rb"[-0-9](?<![0-9].)[0-9]{%d}" % MAX_DIGITS, re.DOTALL)
"""An integer with too many digits. It is looked for only where digits begin, so a row of digits is looked at once."""

_LONG_AND_NEGATIVE = re.compile(rb"-[0-9]{%d}" % MAX_DIGITS)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def parse(data: bytes) -> Any:
    """Parse JSON from outside. Raises :class:`ValueProblem` if it is not JSON or is nested too deeply."""
    if _may_be_deep(data) and _depth(data) > MAX_DEPTH:
        raise ValueProblem(f"nested more than {MAX_DEPTH} deep", "$")
    return parse_shallow(data)


def parse_shallow(data: bytes) -> Any:
    """Parse JSON for a reader whose type limits the depth. Raises :class:`ValueProblem` if it is not JSON."""
    if not data:
        raise ValueProblem("expected JSON, found nothing", "$")
    try:
        return _read(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ValueProblem(f"not JSON: {_unreadable(data, error)}", "$") from error


def _unreadable(data: bytes, error: Exception) -> str:
    """Say why data is not JSON. msgspec takes half of a surrogate pair for the end of the data."""
    half = _HALF_PAIR.search(data)
    if half is None:
        return str(error)
    return f"{half[0].decode()} (byte {half.start()}) is half of a surrogate pair; write both halves, or the character itself"


def encode_plain(plain: Any) -> bytes:
    """Encode plain values. Raises :class:`Misfit` for half of a surrogate pair in a text, and for an int with more
    digits than can be read."""
    try:
        return _write_readable(plain)
    except Exception as error:
        raise _unwritable(plain, error) from error


def _write_readable(plain: Any) -> bytes:
    """Encode plain values as JSON that every process can read. Raises ``ValueError`` for an int with too many digits."""
    data = write_exact(plain)
    if len(data) > MAX_DIGITS and _has_long_integer(data):
        raise ValueError(_TOO_LONG)
    return data


def _has_long_integer(data: bytes) -> bool:
    is_limited = 0 < sys.get_int_max_str_digits() <= MAX_DIGITS
    long = _LONG_AND_NEGATIVE if is_limited else LONG
    return long.search(data) is not None and long.search(STRING.sub(b"", data)) is not None


def check_depth(data: bytes) -> None:
    """Raise :class:`Misfit` if :func:`parse` would refuse the value as nested too deeply."""
    if _may_be_deep(data) and _depth(data) > MAX_DEPTH:
        raise Misfit(TOO_DEEP)


def _unwritable(plain: Any, error: Exception) -> Misfit:
    """Return the error for the first part that cannot be written, with its path."""
    items: list[tuple[str, Any]] = []
    if isinstance(plain, dict):
        items = [(under_key(key), each) for key, item in plain.items() for each in (key, item)]
    elif isinstance(plain, list):
        items = [(under_key(index), item) for index, item in enumerate(plain)]
    for step, item in items:
        try:
            _write_readable(item)
        except Exception as inner:
            return _unwritable(item, inner).under(step)
    reason = _TOO_LONG if isinstance(plain, int) else reason_of(error)
    return Misfit(f"{show(plain)} cannot be kept as JSON: {reason}")


def _may_be_deep(data: bytes) -> bool:
    return data.count(b"[") + data.count(b"{") > MAX_DEPTH


def _depth(data: bytes) -> int:
    deepest = depth = 0
    for bracket in STRING.sub(b"", data).translate(None, _NOT_BRACKETS):
        if bracket in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest
