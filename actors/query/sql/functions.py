"""Replaces SQLite functions whose time is the product of two lengths by ones whose time is the sum.

A call is one step of SQLite's machine, and a step cannot be interrupted: ``instr`` of half a megabyte in a megabyte was observed
to take ten seconds. Python searches in linear time (the two-way algorithm of Crochemore and Perrin, since Python 3.10).

SQLite checks the size of a value only when it receives it, which is too late for ``replace``: a megabyte of letters, each
replaced by three thousand others, is 3 GB before the check. So the size is computed first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import apsw

if TYPE_CHECKING:
    from collections.abc import Callable

_SPACE = " "


def replace_slow_functions(connection: apsw.Connection, value_bytes: int) -> None:
    """Register the replacements. They return what SQLite's functions return, and no value larger than ``value_bytes``."""

    def replace(text: Any, old: Any, new: Any) -> str | None:
        return _replace(text, old, new, value_bytes)

    replaced: tuple[tuple[str, Callable[..., int | str | None], tuple[int, ...]], ...] = (
        ("instr", _instr, (2,)),
        ("replace", replace, (3,)),
        ("trim", _trim, (1, 2)),
        ("ltrim", _ltrim, (1, 2)),
        ("rtrim", _rtrim, (1, 2)),
    )
    for name, function, counts in replaced:
        for count in counts:
            connection.create_scalar_function(name, cast("apsw.ScalarProtocol", function), count, deterministic=True)


def _text(value: Any) -> str:
    """Convert a value to text as SQLite's own functions do."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float):
        with apsw.Connection(":memory:") as sqlite:  # only SQLite formats a float as SQLite does
            return str(sqlite.execute("SELECT CAST(? AS TEXT)", (value,)).get)
    return str(value)


def _instr(text: Any, part: Any) -> int | None:
    """Return the index of the part, counted from 1, or 0 if it is missing. Counts bytes if both values are BLOBs."""
    if text is None or part is None:
        return None
    if isinstance(text, bytes) and isinstance(part, bytes):
        return text.find(part) + 1
    return _text(text).find(_text(part)) + 1


def _replace(text: Any, old: Any, new: Any, value_bytes: int) -> str | None:
    if text is None or old is None or new is None:
        return None
    whole, was, becomes = _text(text), _text(old), _text(new)
    if not was:
        return whole
    if len(becomes) > len(was) and len(whole) + whole.count(was) * (len(becomes) - len(was)) > value_bytes:
        raise apsw.TooBigError("string or blob too big")  # as SQLite reports it; a character has at least one byte
    return whole.replace(was, becomes)


def _trim(text: Any, characters: Any = _SPACE) -> str | None:
    return _trimmed(text, characters, left=True, right=True)


def _ltrim(text: Any, characters: Any = _SPACE) -> str | None:
    return _trimmed(text, characters, left=True, right=False)


def _rtrim(text: Any, characters: Any = _SPACE) -> str | None:
    return _trimmed(text, characters, left=False, right=True)


def _trimmed(text: Any, characters: Any, *, left: bool, right: bool) -> str | None:
    """Remove the characters from the ends of the text. Not ``str.strip``, which searches all the characters for each
    one of the text.
    """
    if text is None or characters is None:
        return None
    whole, unwanted = _text(text), frozenset(_text(characters))
    begin, end = 0, len(whole)
    while left and begin < end and whole[begin] in unwanted:
        begin += 1
    while right and begin < end and whole[end - 1] in unwanted:
        end -= 1
    return whole[begin:end]
