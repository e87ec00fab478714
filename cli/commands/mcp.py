"""``playhead mcp``: offer the remote control to an assistant, over stdin and stdout."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import click

from cli.options import server_options

if TYPE_CHECKING:
    from cli.backend import ServerOptions


@click.command()
@click.option(
    "--allow",
    type=click.Choice(["read", "control"]),
    default="read",
    show_default=True,
    help="read: list, describe, why, events; control: also the verbs.",
)
@server_options
def command(allow: Literal["read", "control"], server: ServerOptions) -> None:
    """Offer the remote control to an assistant: a server of the Model Context Protocol on stdin and stdout.

    With --allow control, the assistant can also cancel, pause, resume, restart and signal invocations. The scope of
    --token applies to every call, and the audit log names the token.

    \b
        playhead tokens create assistant --scope control
        playhead mcp --allow control --token TOKEN
    """
    import trio

    from actors.integrations.mcp import serve_stdio
    from cli.backend import readable

    trio.run(partial(serve_stdio, partial(readable, server), allow=allow))
