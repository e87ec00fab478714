"""``playhead tokens``: the API tokens of a data directory.

A running server changes its tokens itself; those of a stopped directory are changed where they are. The audit has both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.constants import SCOPES
from cli.groups import Group
from cli.options import data_option, output_option, reason_option
from cli.render.output import err, out

if TYPE_CHECKING:
    from pathlib import Path

    from actors.http.tokens import TokenBook


_DATA = data_option("The data directory.")


@click.group(cls=Group)
def command() -> None:
    """Create, list and revoke API tokens. A change takes effect at once, also on a running server."""


@command.command()
@click.argument("name")
@click.option(
    "--scope", type=click.Choice(SCOPES), required=True, help="Permission level; each includes the previous ones."
)
@reason_option
@_DATA
def create(name: str, scope: str, reason: str, data: Path) -> None:
    """Create a token called NAME and print it. It is shown only once; only its hash is stored."""

    import trio

    from actors.http.routes import TokenScope
    from actors.http.server.token_routes import MadeToken
    from actors.http.server.token_routes import create as create_noted
    from cli.offline_audit import open_audit
    from cli.source import ServerOptions, connected
    from journal.kv.data_directory import DataDirectory

    async def run() -> str:
        if DataDirectory(data).is_held():
            async with connected(ServerOptions(data=data)) as connection:
                body = {"name": name, "scope": scope, "reason": reason}
                return (await connection.post("/tokens", MadeToken, body)).token
        async with open_audit(data) as auditor:
            return await create_noted(_book(data), name, TokenScope(scope), reason, auditor)

    out(trio.run(run))
    err(f"the token {name!r} has the scope {scope}; send it as 'Authorization: Bearer …', or set PLAYHEAD_TOKEN")


@command.command(name="list")
@output_option
@_DATA
def list_tokens(output: str, data: Path) -> None:
    """List the named tokens."""
    from actors.http.server.token_routes import TokenInfo
    from cli.render.tables import TOKENS

    named = _book(data).named()
    TOKENS.show([TokenInfo(name=t.name, scope=t.scope, created_at=t.created_at) for t in named], output)


@command.command()
@click.argument("name")
@reason_option
@_DATA
def revoke(name: str, reason: str, data: Path) -> None:
    """Revoke the token called NAME: it is refused from now on."""

    import trio

    from actors.http.client.connection import path_of
    from actors.http.server.token_routes import RevokedToken
    from actors.http.server.token_routes import revoke as revoke_noted
    from cli.offline_audit import open_audit
    from cli.source import ServerOptions, connected
    from journal.kv.data_directory import DataDirectory

    async def run() -> None:
        if DataDirectory(data).is_held():
            async with connected(ServerOptions(data=data)) as connection:
                await connection.patch(path_of("tokens", name, "revoke"), RevokedToken, {"reason": reason})
                return
        async with open_audit(data) as auditor:
            await revoke_noted(_book(data), name, reason, auditor)

    trio.run(run)
    err(f"the token {name!r} is revoked")


def _book(data: Path) -> TokenBook:
    from actors.http.tokens import TokenBook
    from journal.kv.data_directory import DataDirectory

    DataDirectory(data).identity()  # raises where there is no store, so that a mistyped path gets no tokens
    return TokenBook(data)
