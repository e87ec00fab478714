"""``playhead services``: the served classes and their handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import output_option, server_options

if TYPE_CHECKING:
    from cli.backend import ServerOptions


@click.command()
@click.argument("name", required=False)
@click.option("--system", is_flag=True, help="Include built-in services.")
@output_option
@server_options
def command(name: str | None, system: bool, output: str, server: ServerOptions) -> None:
    """List the services; with NAME, its handlers with their parameters and results.

    Of a stopped data directory: the classes with stored invocations, and the handlers that were called.
    """
    from actors.errors import NotFoundError, ResourceKind
    from cli.render.tables import HANDLERS, SERVICES, OfferedHandler
    from cli.run import read

    found = read(server, lambda client: client.services(system=system))
    if name is None:
        SERVICES.show(found, output)
        return
    service = next((one for one in found if one.name == name), None)
    if service is None:
        raise NotFoundError(
            f"there is no service {name!r}; the services are: {', '.join(s.name for s in found) or 'none'}",
            kind=ResourceKind.SERVICE,
        )
    HANDLERS.show([OfferedHandler(service=name, handler=handler) for handler in service.handlers], output)
