"""What a command acts on, from its words."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import click

from journal.events import Target

if TYPE_CHECKING:
    from typing import TextIO


def parse_target(text: str) -> Target:
    """``Service/key/handler`` or ``Service/handler``. A slash in a key is written ``%2F``."""
    parts = [unquote(part) for part in text.split("/")]
    if len(parts) == 2 and all(parts):
        return Target(parts[0], None, parts[1])
    if len(parts) == 3 and all(parts):
        return Target(parts[0], parts[1], parts[2])
    raise click.UsageError(
        f"{text!r} is no target: write Service/key/handler, or Service/handler for a service (a slash in a key is %2F)"
    )


def parse_argument(text: str | None, stdin: TextIO) -> bytes:
    """An argument as JSON bytes; ``-`` reads stdin."""
    import msgspec

    if text is None:
        return b""
    data = stdin.read() if text == "-" else text
    try:
        msgspec.json.decode(data.encode())
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise click.UsageError(
            f"{data[:60]!r} is not JSON ({error}). Text needs its quotes: '\"{data[:20]}\"'"
        ) from None
    return data.encode()


def parse_selection(text: str) -> tuple[str | None, str | None, str | None]:
    """``Service``, ``Service/key`` or ``Service/key/handler``, each part exact."""
    parts = [unquote(part) for part in text.split("/")]
    if not 1 <= len(parts) <= 3 or not all(parts):
        raise click.UsageError(f"{text!r} selects nothing: write Service, Service/key or Service/key/handler")
    service, key, handler = (*parts, None, None)[:3]
    return service, key, handler
