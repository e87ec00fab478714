"""A step's arguments as they are recorded: whole, for people to read, and for a replay to be held against.

A step takes whatever Python can copy, so some arguments are not values: a client of a service, a function. Those are recorded by
their ``repr``, which may differ from process to process; a replay is then not held against any argument of that step. Values are
encoded in one order, whatever order their sets and dictionaries are in.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

_encode_in_order = msgspec.json.Encoder(order="deterministic").encode


def encoded(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bytes, bool]:
    """The arguments as JSON, by position, or by position and name; and whether they are values. Never raises."""
    if not args and not kwargs:
        return b"", True
    shown: Any = {**{str(i): a for i, a in enumerate(args)}, **kwargs} if kwargs else list(args)
    try:
        return _encode_in_order(shown), True
    except Exception:  # keys that are not texts, things that are not values, or what methods of users' classes raise
        return _encoded_by_and_by(shown)


def _encoded_by_and_by(shown: Any) -> tuple[bytes, bool]:
    with contextlib.suppress(Exception):  # as above, except for the keys
        return _encode_in_order(msgspec.to_builtins(shown, str_keys=True, order="deterministic")), True
    if isinstance(shown, dict):
        return _encode_by_repr({name: _encode_one(value) for name, value in shown.items()}), False
    return _encode_by_repr(list(map(_encode_one, shown))), False


def _encode_one(value: Any) -> Any:
    try:
        return msgspec.Raw(_encode_by_repr(value))
    except Exception as problem:  # its methods are its author's, and may raise anything
        return f"({type(value).__name__} that cannot be shown: {type(problem).__name__})"


def _encode_by_repr(value: Any) -> bytes:
    return msgspec.json.encode(value, enc_hook=repr)


def parameter_names(function: Any) -> tuple[str, ...]:
    """The names of the parameters that may be given by position, as far as they can be known."""
    try:
        return _names_of(function)
    except (TypeError, ValueError):  # it cannot be hashed, or has no signature
        return ()


@functools.lru_cache(maxsize=1024)
def _names_of(function: Callable[..., Any]) -> tuple[str, ...]:
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(name for name, p in inspect.signature(function).parameters.items() if p.kind in by_position)
