"""``playhead tokens``: the API tokens of a data directory.

A running server changes its own tokens, and a node those of its cluster. The tokens of a stopped directory are changed in place. All
changes are audited.
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

    from actors.core.tokens import TokenRecord
    from actors.http.server.token_routes import TokenInfo
    from actors.http.tokens import TokenBook


_DATA = data_option("The data directory.")


@click.group(cls=Group)
def command() -> None:
    """Create, list and revoke API tokens. A change takes effect at once, also on a running server and on every node of a cluster."""


@command.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(SCOPES),
    required=True,
    help="observe only reads; invoke, read, control and admin each include the previous ones, so read may also call handlers.",
)
@reason_option
@_DATA
def create(name: str, scope: str, reason: str, data: Path) -> None:
    """Create a token called NAME and print it. It is shown only once; only its hash is stored."""
    import trio

    out(trio.run(_created, data, name, scope, reason))
    err(f"the token {name!r} has the scope {scope}; send it as 'Authorization: Bearer …', or set PLAYHEAD_TOKEN")


async def _created(data: Path, name: str, scope: str, reason: str) -> str:
    from actors.http.routes import TokenScope
    from actors.http.server import token_routes
    from cli.backend import ServerOptions, connected
    from cli.offline_audit import open_audit
    from journal.kv.data_directory import DataDirectory

    if DataDirectory(data).is_held():
        async with connected(ServerOptions(data=data)) as connection:
            body = {"name": name, "scope": scope, "reason": reason}
            return (await connection.post("/tokens", token_routes.MadeToken, body)).token
    async with open_audit(data) as audit:
        return await token_routes.create(_book(data), name, TokenScope(scope), reason, audit)


@command.command(name="list")
@output_option
@_DATA
def list_tokens(output: str, data: Path) -> None:
    """List the named tokens. A stopped node shows those of its cluster as of its last moment."""
    import trio

    from cli.render.tables import TOKENS

    TOKENS.show(trio.run(_listed, data), output)


async def _listed(data: Path) -> list[TokenInfo]:
    from actors.http.server.shared_tokens import as_named
    from actors.http.server.token_routes import TokenInfo, TokenList
    from cli.backend import ServerOptions, connected
    from journal.kv.data_directory import DataDirectory

    if DataDirectory(data).is_held():
        async with connected(ServerOptions(data=data)) as connection:
            return (await connection.get("/tokens", TokenList)).tokens
    shared = _in_copy(data)
    named = _book(data).named() if shared is None else as_named(shared)
    return [TokenInfo(name=t.name, scope=t.scope, created_at=t.created_at) for t in named]


def _in_copy(data: Path) -> tuple[TokenRecord, ...] | None:
    """Return the named tokens of the cluster, as of the copy of a node that does not run; None if this is no such copy."""
    import time

    from actors.query.snapshot import JournalSnapshot
    from journal.log.open import is_of_a_node, open_for_reading

    reader, identity = open_for_reading(data)
    try:
        if not is_of_a_node(reader, identity):
            return None
        return JournalSnapshot(view=reader, partitions=identity.partitions, now=time.time()).tokens()
    finally:
        reader.close()


@command.command()
@click.argument("name")
@reason_option
@_DATA
def revoke(name: str, reason: str, data: Path) -> None:
    """Revoke the token called NAME: it is refused from now on."""
    import trio

    trio.run(_revoke, data, name, reason)
    err(f"the token {name!r} is revoked")


async def _revoke(data: Path, name: str, reason: str) -> None:
    from actors.http.client.connection import path_of
    from actors.http.server import token_routes
    from cli.backend import ServerOptions, connected
    from cli.offline_audit import open_audit
    from journal.kv.data_directory import DataDirectory

    if DataDirectory(data).is_held():
        async with connected(ServerOptions(data=data)) as connection:
            await connection.patch(path_of("tokens", name, "revoke"), token_routes.RevokedToken, {"reason": reason})
            return
    async with open_audit(data) as audit:
        await token_routes.revoke(_book(data), name, reason, audit)


def _book(data: Path) -> TokenBook:
    from actors.http.tokens import TokenBook
    from journal.kv.data_directory import DataDirectory

    DataDirectory(data).identity()  # raises if there is no store, so that a mistyped path gets no tokens
    return TokenBook(data)
