"""Lists of things: one way for all commands to show them.

``table`` is for people, ``wide`` says more of each; ``json`` is one array, ``jsonl`` an object a line, with the fields that the
classes of :mod:`actors` have; ``id`` is a line for each, to hand to another command.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs
import click
import msgspec

from cli.render.output import is_coloured, is_terminal, out, out_json, out_json_line, safe, table_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")


@attrs.frozen(eq=False)
class TextColumn(Generic[T]):
    """A column: its title, and what stands in it."""

    title: str
    text: Callable[[T], str]
    is_wide: bool = False


@attrs.frozen(eq=False)
class TextTable(Generic[T]):
    """How things of one kind are shown. ``id_of`` names one for other commands."""

    id_of: Callable[[T], str]
    columns: Sequence[TextColumn[T]]

    def show(self, rows: Sequence[T], output: str) -> None:
        """All of them, in one of the formats."""
        match output:
            case "json":
                out_json(list(rows))
            case "jsonl":
                for row in rows:
                    out_json_line(row)
            case "id":
                for row in rows:
                    out(safe(self.id_of(row)))
            case _:
                for line in self.lines(rows, is_wide=output == "wide"):
                    out(line)

    def lines(self, rows: Sequence[T], *, is_wide: bool = False) -> Iterator[str]:
        """As a table; on a terminal in colours, and cut where the line ends unless it is wide."""
        columns = [column for column in self.columns if is_wide or not column.is_wide]
        cells = [[column.text(row) for column in columns] for row in rows]
        cut = shutil.get_terminal_size().columns if is_terminal() and not is_wide else None
        styles = coloured if is_coloured() else None
        return table_lines([column.title for column in columns], cells, styles=styles, cut=cut)


_COLOURS = {
    "succeeded": "green",
    "done": "green",
    "running": "cyan",
    "failed": "red",
    "killed": "red",
    "refused": "red",
    "cancelled": "yellow",
    "backing_off": "yellow",
    "paused": "magenta",
    "closed": "magenta",
}


def coloured(text: str) -> str:
    """The text in the colour of the status that it names, if it names one."""
    colour = _COLOURS.get(text.partition(" ")[0])
    return text if colour is None else click.style(text, fg=colour)


def value_as_json(value: Any) -> str:
    """A value in a cell or a line."""
    return msgspec.json.encode(value).decode()


def facts_lines(facts: Sequence[tuple[str, Any]]) -> Iterator[str]:
    """What is known of one thing, a line each; what is empty is left out."""
    styles = coloured if is_coloured() else str
    for name, value in facts:
        if value not in ("", None):
            yield f"{name:<12}{styles(safe(str(value)))}"
