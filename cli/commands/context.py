"""``playhead context``: servers by name, so that commands need no ``--url`` and ``--token``."""

from __future__ import annotations

import click

from cli.options import output_option


@click.group()
def command() -> None:
    """Name servers, and choose the one that commands use.

    A command goes by --url, then --data, then PLAYHEAD_URL, then --context or PLAYHEAD_CONTEXT, then the context in use;
    without any of these it takes the data directory ./playhead-data.
    """


@command.command()
@click.argument("name", required=False)
@click.option("--url", default=None, help="Its address; required for a new name.")
@click.option(
    "--token", default=None, help="Its token; '-' reads it from stdin, so that no list of processes shows it."
)
@click.option("--none", "is_none", is_flag=True, help="Use no context: commands use the data directory again.")
def use(name: str | None, url: str | None, token: str | None, is_none: bool) -> None:
    """Use the server NAME from now on.

    \b
        playhead context use staging --url http://127.0.0.1:9071 --token - < token
        playhead context use staging
    """
    if (name is None) != is_none:
        raise click.UsageError("name a context, or say --none")

    from cli.doing import contexts

    if name is None:
        contexts.use_none()
    else:
        contexts.use(name, url, token)


@command.command("list")
@output_option
def list_command(output: str) -> None:
    """List the contexts; the one in use has a star."""
    from cli.doing import contexts

    contexts.show_all(output)


@command.command()
def show() -> None:
    """Show the context in use."""
    from cli.doing import contexts

    contexts.show_current()


@command.command()
@click.argument("name")
def forget(name: str) -> None:
    """Delete NAME and its token."""
    from cli.doing import contexts

    contexts.forget(name)
