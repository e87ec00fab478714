"""``playhead context``: servers by name, so that commands need no ``--url`` and ``--token``."""

from __future__ import annotations

import sys

import attrs
import click

from cli.contexts import Context, Contexts, contexts_path, read_contexts, write_contexts
from cli.listing import Column, Table, output_option
from cli.output import emit, remark, safe


@attrs.frozen(kw_only=True)
class Named:
    """A context as it is shown: never its token."""

    name: str
    url: str
    has_token: bool
    is_current: bool


TABLE = Table[Named](
    id_of=lambda one: one.name,
    columns=(
        Column("", lambda one: "*" if one.is_current else ""),
        Column("NAME", lambda one: one.name),
        Column("URL", lambda one: one.url),
        Column("TOKEN", lambda one: "yes" if one.has_token else "no", is_wide=True),
    ),
)


@click.group()
def command() -> None:
    """Give servers names, and choose the one that commands are for.

    A command goes by --url, then --data, then PLAYHEAD_URL, then --context or PLAYHEAD_CONTEXT, then the context in use;
    without any of these it takes the data directory ./playhead-data.
    """


@command.command()
@click.argument("name", required=False)
@click.option("--url", default=None, help="Where it is, if the name is new, or if it has moved.")
@click.option(
    "--token", default=None, help="Its token; '-' reads it from stdin, so that no list of processes shows it."
)
@click.option("--none", "is_none", is_flag=True, help="Use none: commands are for the data directory again.")
def use(name: str | None, url: str | None, token: str | None, is_none: bool) -> None:
    """Use the server NAME from now on.

    \b
        playhead context use staging --url http://127.0.0.1:9071 --token - < token
        playhead context use staging
    """
    contexts = read_contexts()
    if (name is None) != is_none:
        raise click.UsageError("name a context, or say --none")
    if name is None:
        write_contexts(attrs.evolve(contexts, current=None))
        remark("no context is in use")
        return
    write_contexts(Contexts(named=contexts.named | {name: _context(contexts, name, url, token)}, current=name))
    remark(f"commands are for {name!r} now; it is kept in {contexts_path()}")


def _context(contexts: Contexts, name: str, url: str | None, token: str | None) -> Context:
    secret = sys.stdin.read().strip() if token == "-" else token  # noqa: S105 - a word for stdin
    if url is None:
        known = contexts.find(name) if name in contexts.named else None
        if known is None:
            raise click.UsageError(f"{name!r} is a new name: say with --url where it is")
        return known if secret is None else attrs.evolve(known, token=secret)
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"{url!r} is no address of a server; write http://HOST:PORT")
    return Context(url=url, token=secret)  # a token is for the server that it was given for, and does not move along


@command.command("list")
@output_option
def list_command(output: str) -> None:
    """List the contexts; the one in use has a star."""
    TABLE.show(_named(read_contexts()), output)


@command.command()
def show() -> None:
    """Show the context in use."""
    for one in _named(read_contexts()):
        if one.is_current:
            emit(f"{safe(one.name)}  {safe(one.url)}")
            return
    remark("no context is in use; commands are for the data directory")


@command.command()
@click.argument("name")
def forget(name: str) -> None:
    """Forget NAME and its token."""
    contexts = read_contexts()
    contexts.find(name)
    named = {other: context for other, context in contexts.named.items() if other != name}
    write_contexts(Contexts(named=named, current=None if contexts.current == name else contexts.current))
    remark(f"{name!r} is forgotten")


def _named(contexts: Contexts) -> list[Named]:
    return [
        Named(name=name, url=context.url, has_token=context.token is not None, is_current=name == contexts.current)
        for name, context in sorted(contexts.named.items())
    ]
