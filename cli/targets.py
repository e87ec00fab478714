"""What a command acts on, from its words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

import click

from cli.render.output import UNSAFE

if TYPE_CHECKING:
    from typing import Any, TextIO

    from cli.source import ServerOptions
    from journal.events import Target

_COMPLETION_SECONDS = 2.0


def parse_target(text: str) -> Target:
    """``Service/key/handler`` or ``Service/handler``. A slash in a key is written ``%2F``."""
    from journal.events import Target

    parts = [_decoded(part) for part in text.split("/")]
    if len(parts) == 2 and all(parts):
        return Target(parts[0], None, parts[1])
    if len(parts) == 3 and all(parts):
        return Target(parts[0], parts[1], parts[2])
    raise click.UsageError(
        f"{text!r} is not a target: write Service/key/handler, or Service/handler for a service (a slash in a key is %2F)"
    )


def _decoded(part: str) -> str:
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise click.UsageError(f"{part!r} is not UTF-8, percent-encoded") from None


def parse_argument(text: str | None, stdin: TextIO) -> bytes:
    """An argument as JSON bytes; ``-`` reads stdin."""
    import msgspec

    if text is None:
        return b""
    data = _read(stdin) if text == "-" else text
    try:
        msgspec.json.decode(data.encode())
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise click.UsageError(
            f"{data[:60]!r} is not JSON ({error}). Text needs its quotes: '\"{data[:20]}\"'"
        ) from None
    return data.encode()


def _read(stdin: TextIO) -> str:
    """JSON is UTF-8, whatever encoding the locale has Python read stdin with."""
    buffer = getattr(stdin, "buffer", None)
    if buffer is None:
        return stdin.read()
    try:
        text: str = buffer.read().decode()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"stdin is not UTF-8: {error}") from None
    return text


def parse_value(text: str | None, stdin: TextIO) -> Any:
    """The value that is written as JSON; none if nothing is written; ``-`` reads stdin."""
    import msgspec

    body = parse_argument(text, stdin)
    return msgspec.json.decode(body) if body else None


class NamedTarget(NamedTuple):
    """Invocations by the name of their service, key and handler."""

    service: str
    key: str | None = None
    handler: str | None = None


def parse_selection(text: str) -> NamedTarget:
    """``Service``, ``Service/key`` or ``Service/key/handler``, each part exact; ``Service/handler`` reads as a key."""
    parts = [_decoded(part) for part in text.split("/")]
    if not 1 <= len(parts) <= 3 or not all(parts):
        raise click.UsageError(
            f"{text!r} is not a selection: write Service, Service/key, Service/key/handler, or Service/handler of a service"
        )
    return NamedTarget(*parts)


def parse_object(text: str) -> tuple[str, str]:
    """``Service/key``. A slash in a key is written ``%2F``."""
    parts = [_decoded(part) for part in text.split("/")]
    if len(parts) != 2 or not all(parts):
        raise click.UsageError(f"{text!r} is not an object: write Service/key (a slash in a key is %2F)")
    return parts[0], parts[1]


def written(part: str) -> str:
    """A part of a name as it is shown, so that what was shown can be typed: percent-encoded where it would be taken for another
    part, or where a terminal would obey it."""
    return "".join(quote(one, safe="") if one in "%/" or ord(one) in UNSAFE else one for one in part)


def written_object(service: str, key: str) -> str:
    """``Service/key``, as :func:`parse_object` takes it."""
    return f"{written(service)}/{written(key)}"


def written_target(target: Target) -> str:
    """``Service/key/handler`` or ``Service/handler``, as :func:`parse_target` and :func:`parse_selection` take it."""
    parts = (target.service, target.handler) if target.key is None else (target.service, target.key, target.handler)
    return "/".join(map(written, parts))


def complete_selection(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The services that a running server has, for a shell that completes a word; none if there is no server."""
    import trio

    from cli.source import resolve_server

    try:
        said = {name: ctx.params.get(name) for name in ("url", "token", "data", "context")}
        names = trio.run(_service_names, resolve_server(**said))
    except Exception:  # a shell has nobody to tell
        return []
    return [name for name in names if name.startswith(incomplete)]


async def _service_names(server: ServerOptions) -> list[str]:
    import trio

    from cli.source import live

    with trio.fail_after(_COMPLETION_SECONDS):
        async with live(server) as client:
            return [service.name for service in await client.services()]
