"""SQLite's functions that take time by the product of two lengths, made to take it by their sum.

One call is one step of SQLite's machine, and no step can be interrupted: ``instr`` of half a megabyte in a megabyte was observed
to take ten seconds. Python searches in linear time (the two-way algorithm of Crochemore and Perrin, since Python 3.10).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import apsw

if TYPE_CHECKING:
    from collections.abc import Callable

_SPACE = " "


def replace_slow_functions(connection: apsw.Connection) -> None:
    """Let a connection use ours. They give what SQLite's give."""
    replaced: tuple[tuple[str, Callable[..., int | str | None], tuple[int, ...]], ...] = (
        ("instr", _instr, (2,)),
        ("replace", _replace, (3,)),
        ("trim", _trim, (1, 2)),
        ("ltrim", _ltrim, (1, 2)),
        ("rtrim", _rtrim, (1, 2)),
    )
    for name, function, counts in replaced:
        for count in counts:
            connection.create_scalar_function(name, cast("apsw.ScalarProtocol", function), count, deterministic=True)


def _text(value: Any) -> str:
    """A value as SQLite's own functions read it."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float):
        with apsw.Connection(":memory:") as sqlite:  # no other writes a float as SQLite does
            return str(sqlite.execute("SELECT CAST(? AS TEXT)", (value,)).get)
    return str(value)


def _instr(text: Any, part: Any) -> int | None:
    """Where the part begins, counted from 1; 0 if it is not there. Of two BLOBs in bytes."""
    if text is None or part is None:
        return None
    if isinstance(text, bytes) and isinstance(part, bytes):
        return text.find(part) + 1
    return _text(text).find(_text(part)) + 1


def _replace(text: Any, old: Any, new: Any) -> str | None:
    if text is None or old is None or new is None:
        return None
    was = _text(old)
    return _text(text).replace(was, _text(new)) if was else _text(text)


def _trim(text: Any, characters: Any = _SPACE) -> str | None:
    return _trimmed(text, characters, left=True, right=True)


def _ltrim(text: Any, characters: Any = _SPACE) -> str | None:
    return _trimmed(text, characters, left=True, right=False)


def _rtrim(text: Any, characters: Any = _SPACE) -> str | None:
    return _trimmed(text, characters, left=False, right=True)


def _trimmed(text: Any, characters: Any, *, left: bool, right: bool) -> str | None:
    """Not ``str.strip``, which looks through all the characters for each one of the text."""
    if text is None or characters is None:
        return None
    whole, unwanted = _text(text), frozenset(_text(characters))
    begin, end = 0, len(whole)
    while left and begin < end and whole[begin] in unwanted:
        begin += 1
    while right and begin < end and whole[end - 1] in unwanted:
        end -= 1
    return whole[begin:end]
