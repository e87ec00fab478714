"""Encodes the values that a verb carries as JSON, within the size limit."""

from __future__ import annotations

from typing import Any

from actors.errors import UnserializableError
from actors.values import ValueProblem, Written, encode_json, write_by_own_type


def write_value(value: Any, what: str) -> Written:
    """Encode a value by its own type, for a reader that names the type. Raises :class:`UnserializableError` with
    ``what``.
    """
    try:
        return write_by_own_type(value)
    except ValueProblem as error:
        raise UnserializableError(f"{what}: {error.path}: {error.problem}", path=error.path) from error


def json_of(value: Any, what: str) -> bytes:
    """Encode a plain JSON value. Raises :class:`UnserializableError` with ``what``."""
    try:
        return encode_json(value)
    except ValueProblem as error:
        problem = f"{what}: {error.path}: {error.problem}; pass lists, dictionaries, texts and numbers"
        raise UnserializableError(problem, path=error.path) from error


NO_ARGUMENT: Any = ...
"""For a handler without parameters."""


def argument_of(argument: Any, target: object) -> bytes:
    """Encode an argument by name as JSON. Raises :class:`UnserializableError` for a value that JSON itself does not
    have.
    """
    return b"" if argument is NO_ARGUMENT else json_of(argument, f"the argument of {target}")
