"""``playhead tokens``: who may ask the server of a data directory for what."""

from __future__ import annotations

from pathlib import Path

import attrs
import click

from actors.http.routes import Scope
from actors.http.tokens import TokenBook
from cli.listing import Column, Table, output_option
from cli.output import emit, remark, when
from journal.datadir import DataDirectory

_DATA = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("playhead-data"),
    envvar="PLAYHEAD_DATA",
    show_default=True,
    help="The data directory.",
)


@attrs.frozen(kw_only=True)
class Shown:
    """A token as it is shown: never its hash."""

    name: str
    scope: Scope
    created_at: float


TOKENS = Table[Shown](
    id_of=lambda token: token.name,
    columns=(
        Column("NAME", lambda token: token.name),
        Column("SCOPE", lambda token: token.scope.value),
        Column("CREATED", lambda token: when(token.created_at)),
    ),
)


@click.group()
def command() -> None:
    """Make, list and revoke tokens. They count at once, also for a server that runs."""


def _book(data: Path) -> TokenBook:
    DataDirectory(data).identity()  # raises where there is no store, so that a mistyped path gets no tokens
    return TokenBook(data)


@command.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in Scope]),
    required=True,
    help="How far it reaches; each scope holds those before it.",
)
@_DATA
def create(name: str, scope: str, data: Path) -> None:
    """Make a token for NAME and print it. It is shown this once; only its hash is kept."""
    emit(_book(data).create(name, Scope(scope)))
    remark(f"the token {name!r} has the scope {scope}; send it as 'Authorization: Bearer …', or set PLAYHEAD_TOKEN")


@command.command(name="list")
@output_option
@_DATA
def list_tokens(output: str, data: Path) -> None:
    """Show the tokens that have names."""
    TOKENS.show([Shown(name=t.name, scope=t.scope, created_at=t.created_at) for t in _book(data).named()], output)


@command.command()
@click.argument("name")
@_DATA
def revoke(name: str, data: Path) -> None:
    """Take the token of NAME back: it opens nothing any more."""
    _book(data).revoke(name)
    remark(f"the token {name!r} is revoked")
