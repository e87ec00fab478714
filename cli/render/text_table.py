"""The output format of every list.

``table`` is for people and ``wide`` has more columns; ``json`` is one array and ``jsonl`` one object per line, with the fields of
the classes of :mod:`actors`; ``id`` is one id per line, for another command.
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
    """A column: its title and its cells."""

    title: str
    text: Callable[[T], str]
    is_wide: bool = False


@attrs.frozen(eq=False)
class TextTable(Generic[T]):
    """The output of a list of rows. ``id_of`` gives the id of a row for other commands."""

    id_of: Callable[[T], str]
    columns: Sequence[TextColumn[T]]

    def show(self, rows: Sequence[T], output: str) -> None:
        """Print all rows in one of the formats."""
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
        """Return the lines of the table: on a terminal coloured, and cut at its width unless ``is_wide``."""
        columns = [column for column in self.columns if is_wide or not column.is_wide]
        cells = [[column.text(row) for column in columns] for row in rows]
        cut = shutil.get_terminal_size().columns if is_terminal() and not is_wide else None
        styles = coloured if is_coloured() else None
        return table_lines([column.title for column in columns], cells, styles=styles, cut=cut)


_FACT_WIDTH = 12
"""The least width of the names of facts."""

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
    """Colour a text that names a status. Other texts are returned unchanged."""
    colour = _COLOURS.get(text.partition(" ")[0])
    return text if colour is None else click.style(text, fg=colour)


def value_as_json(value: Any) -> str:
    """Format a value for a cell or a line, as JSON."""
    return msgspec.json.encode(value).decode()


def facts_lines(facts: Sequence[tuple[str, Any]]) -> Iterator[str]:
    """Yield the facts about one thing, one below the other; further lines of a fact are below its first. Skips empty ones."""
    styles = coloured if is_coloured() else str
    known = [(name, str(value)) for name, value in facts if value not in ("", None)]
    width = max([_FACT_WIDTH, *(len(name) + 2 for name, _ in known)])
    for name, text in known:
        first, *more = map(safe, text.split("\n"))
        yield f"{name:<{width}}{styles(first)}"
        for line in more:
            yield f"{'':<{width}}{line}"
