"""Prints the pieces of an output for people: texts as they were emitted, other values as lines of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.render.output import UNSAFE, err, out_json_line, safe

if TYPE_CHECKING:
    from actors.model.output import OutputChunk

_ESCAPED = {code: safe(chr(code)) for code in UNSAFE if chr(code) not in "\n\t"}


class PiecePrinter:
    """Prints pieces one after the other. Control characters are escaped, except line breaks and tabs."""

    def __init__(self) -> None:
        self._is_in_line = False

    def print(self, chunk: OutputChunk) -> None:
        """Print a piece, or the remark that pieces are void."""
        if chunk.is_reset:
            self.end()
            err(f"the pieces of step {chunk.step} so far are void: its try failed, or was cut off")
        elif isinstance(chunk.value, str):
            text = chunk.value.translate(_ESCAPED).encode("utf-8", "backslashreplace").decode()
            click.echo(text, nl=False)
            self._is_in_line = not text.endswith("\n") if text else self._is_in_line
        else:
            self.end()
            out_json_line(chunk.value)

    def end(self) -> None:
        """End the line, if one has begun."""
        if self._is_in_line:
            click.echo()
        self._is_in_line = False
