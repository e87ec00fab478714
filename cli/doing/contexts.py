"""Servers by name, as they are shown and chosen."""

from __future__ import annotations

import sys

import attrs
import click

from cli.contexts import Context, Contexts, contexts_path, read_contexts, write_contexts
from cli.listing import TextColumn, TextTable
from cli.output import emit, remark, safe


@attrs.frozen(kw_only=True)
class ContextInfo:
    """A context as it is shown: never its token."""

    name: str
    url: str
    has_token: bool
    is_current: bool


TABLE = TextTable[ContextInfo](
    id_of=lambda one: one.name,
    columns=(
        TextColumn("", lambda one: "*" if one.is_current else ""),
        TextColumn("NAME", lambda one: one.name),
        TextColumn("URL", lambda one: one.url),
        TextColumn("TOKEN", lambda one: "yes" if one.has_token else "no", is_wide=True),
    ),
)


def use_none() -> None:
    """Commands are for the data directory again."""
    write_contexts(attrs.evolve(read_contexts(), current=None))
    remark("no context is in use")


def use(name: str, url: str | None, token: str | None) -> None:
    """Commands are for this one."""
    contexts = read_contexts()
    write_contexts(Contexts(named=contexts.named | {name: _context(contexts, name, url, token)}, current=name))
    remark(f"commands are for {name!r} now; it is kept in {contexts_path()}")


def _context(contexts: Contexts, name: str, url: str | None, token: str | None) -> Context:
    secret = sys.stdin.read().strip() if token == "-" else token  # noqa: S105 - a word for stdin
    if url is None:
        known = contexts.find(name) if name in contexts.named else None
        if known is None:
            raise click.UsageError(f"no context {name!r}; pass --url to create it")
        return known if secret is None else attrs.evolve(known, token=secret)
    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"{url!r} is not the address of a server; write http://HOST:PORT")
    return Context(url=url, token=secret)  # a token is for the server that it was given for, and does not move along


def show_all(output: str) -> None:
    """List them."""
    TABLE.show(_named(read_contexts()), output)


def show_current() -> None:
    """The one in use."""
    for one in _named(read_contexts()):
        if one.is_current:
            emit(f"{safe(one.name)}  {safe(one.url)}")
            return
    remark("no context is in use; commands are for the data directory")


def forget(name: str) -> None:
    """Forget it and its token."""
    contexts = read_contexts()
    contexts.find(name)
    named = {other: context for other, context in contexts.named.items() if other != name}
    write_contexts(Contexts(named=named, current=None if contexts.current == name else contexts.current))
    remark(f"{name!r} is forgotten")


def _named(contexts: Contexts) -> list[ContextInfo]:
    return [
        ContextInfo(
            name=name, url=context.url, has_token=context.token is not None, is_current=name == contexts.current
        )
        for name, context in sorted(contexts.named.items())
    ]
