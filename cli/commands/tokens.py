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
    """Make, list and revoke tokens. They count at once, also for a server that runs."""


@command.command()
@click.argument("name")
@click.option(
    "--scope", type=click.Choice(SCOPES), required=True, help="How far it reaches; each scope holds those before it."
)
@reason_option
@_DATA
def create(name: str, scope: str, reason: str, data: Path) -> None:
    """Make a token for NAME and print it. It is shown this once; only its hash is kept."""
    from cli.doing import tokens

    tokens.create(name, scope, reason, data)


@command.command(name="list")
@output_option
@_DATA
def list_tokens(output: str, data: Path) -> None:
    """Show the tokens that have names."""
    from cli.doing import tokens

    tokens.show_all(data, output)


@command.command()
@click.argument("name")
@reason_option
@_DATA
def revoke(name: str, reason: str, data: Path) -> None:
    """Take the token of NAME back: it opens nothing any more."""
    from cli.doing import tokens

    tokens.revoke(name, reason, data)
