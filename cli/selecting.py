"""Which invocations a command is for: ids, ids from stdin, a service, a key or a handler, or a condition in SQL."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import attrs
import click

from cli.targets import parse_selection
from journal.ids import InvocationId, parse_invocation_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ID = "inv_"


@attrs.frozen
class Selected:
    """Either ids, or a condition that tells which."""

    ids: tuple[InvocationId, ...] = ()
    condition: str | None = None


def select(words: tuple[str, ...], condition: str | None, among: str | None) -> Selected:
    """What the words of a command select. ``among`` is a condition that goes with every other one."""
    if not words and condition is None:
        raise click.UsageError("say which: ids, '-' for ids from stdin, Service[/key][/handler], or --where CONDITION")
    named = [word for word in words if not _is_id(word)]
    if named or condition is not None:
        if len(words) > 1 or (words and not named):
            raise click.UsageError("one of these at a time: ids, one Service[/key][/handler], with or without --where")
        return Selected(condition=_condition(named[0] if named else None, condition, among))
    return Selected(ids=tuple(dict.fromkeys(_ids(words))))


def _is_id(word: str) -> bool:
    return word == "-" or word.startswith(_ID)


def _ids(words: Iterable[str]) -> Iterator[InvocationId]:
    for word in words:
        yield from map(parse_invocation_id, sys.stdin.read().split() if word == "-" else (word,))


def _condition(selection: str | None, condition: str | None, among: str | None) -> str:
    parts = [] if selection is None else _parts(selection)
    if condition is not None:
        parts.append(condition if not parts and among is None else f"({condition})")
    return " and ".join([*parts, *([among] if among is not None else [])])


def _parts(selection: str) -> list[str]:
    named = zip(("service", "key", "handler"), parse_selection(selection), strict=True)
    return [f"{column} = {_quoted(text)}" for column, text in named if text is not None]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
