"""``playhead context``: named servers, so that commands need no ``--url`` and ``--token``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cli.groups import Group
from cli.options import ca_option, output_option
from cli.render.output import err, out, safe

if TYPE_CHECKING:
    from pathlib import Path

    from cli.contexts import Context, Contexts
    from cli.render.tables import ContextInfo


@click.group(cls=Group)
def command() -> None:
    """Name servers, and choose the one that commands use.

    Commands use --url, then --data, then PLAYHEAD_URL, then --context or PLAYHEAD_CONTEXT, then the context in use;
    otherwise they use the data directory ./playhead-data.
    """


@command.command()
@click.argument("name", required=False)
@click.option("--url", default=None, help="The server's address; required for a new name.")
@click.option("--token", default=None, help="The server's token; '-' reads it from stdin and hides it from ps.")
@ca_option
@click.option("--none", "is_none", is_flag=True, help="Use no context: commands use the data directory again.")
def use(name: str | None, url: str | None, token: str | None, ca: Path | None, is_none: bool) -> None:
    """Use the server NAME from now on.

    \b
        playhead context use staging --url http://127.0.0.1:9071 --token - < token
        playhead context use staging
    """
    from cli.contexts import Contexts, contexts_path, read_contexts, write_contexts

    if name is None and not is_none:
        raise click.UsageError("name the context to use, or pass --none")
    if name is not None and is_none:
        raise click.UsageError("pass either NAME or --none, not both")
    contexts = read_contexts()
    if name is None:
        write_contexts(Contexts(named=contexts.named, current=None))
        err("no context is in use")
        return
    write_contexts(Contexts(named=contexts.named | {name: _context(contexts, name, url, token, ca)}, current=name))
    err(f"commands now go to {name!r}; saved in {contexts_path()}")


def _context(contexts: Contexts, name: str, url: str | None, token: str | None, ca: Path | None) -> Context:
    import attrs

    from cli.contexts import Context

    secret = sys.stdin.read().strip() if token == "-" else token  # noqa: S105 - a word for stdin
    trusted = None if ca is None else str(ca.absolute())
    if url is None:
        known = contexts.find(name) if name in contexts.named else None
        if known is None:
            raise click.UsageError(f"there is no context {name!r}; pass --url to create it")
        return attrs.evolve(known, token=secret or known.token, ca=trusted or known.ca)
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"{url!r} is not a server address; write http://HOST:PORT")
    return Context(url=url, token=secret, ca=trusted)  # a token belongs to the server that it was given for


@command.command("list")
@output_option
def list_command(output: str) -> None:
    """List the contexts and mark the current one with a star."""
    from cli.contexts import read_contexts
    from cli.render.tables import CONTEXTS

    CONTEXTS.show(_named(read_contexts()), output)


@command.command()
def show() -> None:
    """Show the current context."""
    from cli.contexts import read_contexts

    for one in _named(read_contexts()):
        if one.is_current:
            out(f"{safe(one.name)}  {safe(one.url)}")
            return
    err("there is no current context; commands use the data directory")


@command.command()
@click.argument("name")
def forget(name: str) -> None:
    """Delete NAME and its token."""
    from cli.contexts import Contexts, read_contexts, write_contexts

    contexts = read_contexts()
    contexts.find(name)
    named = {other: context for other, context in contexts.named.items() if other != name}
    write_contexts(Contexts(named=named, current=None if contexts.current == name else contexts.current))
    err(f"deleted the context {name!r} and its token")


def _named(contexts: Contexts) -> list[ContextInfo]:
    from cli.render.tables import ContextInfo

    return [
        ContextInfo(
            name=name, url=context.url, has_token=context.token is not None, is_current=name == contexts.current
        )
        for name, context in sorted(contexts.named.items())
    ]
