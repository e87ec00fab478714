"""Prints tables for people and JSON for programs, without terminal control sequences."""

from __future__ import annotations

import codecs
import io
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

UNSAFE = {
    *range(0x20),
    0x7F,
    *range(0x80, 0xA0),
    0x061C,
    0x200E,
    0x200F,
    *range(0x2028, 0x202F),
    *range(0x2066, 0x206A),
    0xFEFF,
}
"""Control characters, and characters that change the direction of text."""

_ESCAPES = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in UNSAFE}


def safe(text: str) -> str:
    """Escape every control character in the text."""
    return text.translate(_ESCAPES).encode("utf-8", "backslashreplace").decode()


def escape_what_streams_cannot_show() -> None:
    """Let stdout and stderr write characters that their encoding lacks as JSON escapes, so that JSON stays valid."""
    codecs.register_error(_ESCAPED, _as_json_escapes)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ESCAPED)


_ESCAPED = "playhead.escaped"


def _as_json_escapes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    escaped = "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
    return escaped, error.end


def out(text: str) -> None:
    """Print one line of data to stdout."""
    click.echo(text)


def err(text: str) -> None:
    """Print a remark to stderr. Every line after the first is indented, so that one message cannot look like two."""
    click.echo(safe_lines(text), err=True)


def safe_lines(text: str) -> str:
    """Escape the text line by line, as :func:`safe` does, and indent every line after the first."""
    return "\n  ".join(map(safe, text.split("\n")))


def out_json(value: Any) -> None:
    """Print one JSON document, indented, with every control character escaped."""
    import json

    import msgspec

    plain = msgspec.to_builtins(value)
    out(safe_json(json.dumps(plain, indent=2, ensure_ascii=False)))


def out_json_line(value: Any) -> None:
    """Print one JSON document on one line."""
    import msgspec

    out(safe_json(msgspec.json.encode(value).decode()))


def safe_json(text: str) -> str:
    """Return JSON with its line breaks, but other control characters escaped as in JSON."""
    kept = {code: f"\\u{code:04x}" for code in UNSAFE if code != 0x0A}
    return text.translate(kept)


def out_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns as wide as their contents; the last one gets the rest of the line."""
    for line in table_lines(header, rows):
        out(line)


def table_lines(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    styles: Callable[[str], str] | None = None,
    cut: int | None = None,
) -> Iterator[str]:
    """Yield the lines of a table, without control characters, and with a space for a line break. No line is longer than ``cut``.

    ``styles`` colours a cell after its width is known.
    """
    cells = [[safe(" ".join(cell.split("\n"))) for cell in row] for row in rows]
    widths = [max([len(title), *(len(row[i]) for row in cells)]) for i, title in enumerate(header)]
    yield _cut(_joined(header, widths), cut)
    for row in cells:
        line = _cut(_joined(row, widths), cut)
        yield line if styles is None else _styled(line, row, widths, styles)


def _joined(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
    return "  ".join([*padded, row[-1]]).rstrip()


def _cut(line: str, cut: int | None) -> str:
    return line if cut is None or len(line) <= cut else line[: cut - 1] + "…"


def _styled(line: str, row: Sequence[str], widths: Sequence[int], styles: Callable[[str], str]) -> str:
    """Return the line with coloured cells."""
    at, parts = 0, []
    for cell, width in zip(row, widths, strict=True):
        shown = line[at : at + len(cell)]
        parts += [styles(shown), line[at + len(cell) : at + width + 2]]
        at += width + 2
    return "".join(parts)


def counted(count: int, noun: str) -> str:
    """Format a number with its noun: ``1 file``, ``1,200 files``."""
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"


def when(at: float | None) -> str:
    """Format a time as local time, to the second."""
    return "" if at is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def until_in_words(at: float) -> str:
    """Format the end of a period, for the end of a sentence. An endless sleep has the last possible date."""
    from actors.values.limits import NEVER  # imported when there is something to show

    return "forever" if at >= NEVER else f"until {when(at)}"


def ago(at: float, now: float | None = None) -> str:
    """Format the distance from now in one unit."""
    seconds = (time.time() if now is None else now) - at
    ahead, seconds = seconds < 0, abs(seconds)
    units = (("d", 86400), ("h", 3600), ("m", 60))
    unit, size = next(((unit, size) for unit, size in units if seconds >= size), ("s", 1))
    text = f"{int(seconds // size)}{unit}"
    return f"in {text}" if ahead else f"{text} ago"


def is_terminal() -> bool:
    """Report whether stdout is a terminal."""
    return sys.stdout.isatty()


def is_coloured() -> bool:
    """Report whether to use colours: on a terminal, unless ``NO_COLOR`` is set."""
    return is_terminal() and not os.environ.get("NO_COLOR")
