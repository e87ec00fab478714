"""Digests of arguments, by which two of them are compared."""

from __future__ import annotations

import contextlib
import hashlib
import math

import msgspec


def digest(argument: bytes, mark: bytes = b"") -> bytes:
    """Return a digest of 16 bytes that identifies an argument: white space, the order of names, escapes and the form of numbers in its
    JSON make no difference. ``mark`` separates different uses of the same JSON."""
    with contextlib.suppress(msgspec.DecodeError, RecursionError):  # as if there were no argument
        argument = _ENCODER.encode(_DECODER.decode(argument))
    return hashlib.sha256(mark + argument).digest()[:16]


def _number(written: str) -> float | int | str:
    value = float(written)
    if not math.isfinite(value):
        return written
    return int(value) if value.is_integer() else value


_DECODER = msgspec.json.Decoder(float_hook=_number)
_ENCODER = msgspec.json.Encoder(order="sorted")
