"""``playhead tokens``: who may ask the server of a data directory for what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import data_option, output_option, reason_option
from cli.words import SCOPES

if TYPE_CHECKING:
    from pathlib import Path

_DATA = data_option("The data directory.")


@click.group()
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
    from cli.doing import tokens

    tokens.create(name, scope, reason, data)


@command.command(name="list")
@output_option
@_DATA
def list_tokens(output: str, data: Path) -> None:
    """List the named tokens."""
    from cli.doing import tokens

    tokens.show_all(data, output)


@command.command()
@click.argument("name")
@reason_option
@_DATA
def revoke(name: str, reason: str, data: Path) -> None:
    """Revoke the token called NAME: it is refused from now on."""
    from cli.doing import tokens

    tokens.revoke(name, reason, data)
