"""Parses the targets and values of command lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import click

from cli.render.output import UNSAFE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, TextIO

    from cli.backend import ServerOptions
    from journal.events import Target

_COMPLETION_SECONDS = 2.0


def parse_target(text: str) -> Target:
    """Parse ``Service/key/handler`` or ``Service/handler``. A slash in a key is written ``%2F``."""
    from actors.errors import InvalidArgumentError
    from actors.model.targets import parse_target

    try:
        return parse_target(text)
    except InvalidArgumentError as error:
        raise click.UsageError(str(error)) from None


def _parts(text: str) -> Sequence[str]:
    from actors.errors import InvalidArgumentError
    from actors.model.targets import parse_parts

    try:
        return parse_parts(text, "the name")
    except InvalidArgumentError as error:
        raise click.UsageError(str(error)) from None


def parse_argument(text: str | None, stdin: TextIO) -> bytes:
    """Parse an argument as JSON bytes; ``-`` reads stdin."""
    from actors.values import ValueProblem, parse

    if text is None:
        return b""
    data = _read(stdin) if text == "-" else text
    try:
        parse(data.encode())
    except (ValueProblem, UnicodeEncodeError) as error:
        raise click.UsageError(f"{data[:60]!r}: {error}. A text needs quotes: '\"{data[:20]}\"'") from None
    return data.encode()


def _read(stdin: TextIO) -> str:
    """Read stdin as UTF-8 in every locale, because JSON is UTF-8."""
    buffer = getattr(stdin, "buffer", None)
    if buffer is None:
        return stdin.read()
    try:
        text: str = buffer.read().decode()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"stdin is not UTF-8: {error}") from None
    return text


def parse_value(text: str | None, stdin: TextIO) -> Any:
    """Parse a JSON value; ``-`` reads stdin. Returns None for no text."""
    import msgspec

    body = parse_argument(text, stdin)
    return msgspec.json.decode(body) if body else None


class NamedTarget(NamedTuple):
    """Invocations by the name of their service, key and handler."""

    service: str
    key: str | None = None
    handler: str | None = None


def parse_selection(text: str) -> NamedTarget:
    """Parse ``Service``, ``Service/key`` or ``Service/key/handler``, each part exact; ``Service/handler`` reads as a key."""
    parts = _parts(text)
    if not 1 <= len(parts) <= 3:
        raise click.UsageError(
            f"{text!r} is not a selection: write Service, Service/key, Service/key/handler, or Service/handler of a service"
        )
    return NamedTarget(*parts)


def parse_object(text: str) -> tuple[str, str]:
    """Parse ``Service/key``. A slash in a key is written ``%2F``."""
    parts = _parts(text)
    if len(parts) != 2:
        raise click.UsageError(f"{text!r} is not an object: write Service/key (a slash in a key is %2F)")
    return parts[0], parts[1]


def written(part: str) -> str:
    """Format a part of a name so that it can be typed back: percent-encoded if it would be read as another part, or
    contains control characters.
    """
    return "".join(quote(one, safe="") if one in "%/" or ord(one) in UNSAFE else one for one in part)


def written_object(service: str, key: str) -> str:
    """Format ``Service/key``, as :func:`parse_object` accepts it."""
    return f"{written(service)}/{written(key)}"


def written_target(target: Target) -> str:
    """Format ``Service/key/handler`` or ``Service/handler``, as :func:`parse_target` and :func:`parse_selection` accept
    it.
    """
    parts = (target.service, target.handler) if target.key is None else (target.service, target.key, target.handler)
    return "/".join(map(written, parts))


def complete_selection(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Return the services of a running server for the shell's completion, or none without a server."""
    import trio

    from cli.backend import resolve_server

    try:
        said = {name: ctx.params.get(name) for name in ("url", "token", "data", "context", "ca")}
        names = trio.run(_service_names, resolve_server(**said))
    except Exception:  # a completion has nowhere to report an error
        return []
    return [name for name in names if name.startswith(incomplete)]


async def _service_names(server: ServerOptions) -> list[str]:
    import trio

    from cli.backend import live

    with trio.fail_after(_COMPLETION_SECONDS):
        async with live(server) as client:
            return [service.name for service in await client.services()]
