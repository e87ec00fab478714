"""``playhead notifications``: changes of invocations that are reported to an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.groups import Group
from cli.options import output_option, reason_option, report_option, server_options, tag_option
from cli.render.output import err, out, out_json, safe

if TYPE_CHECKING:
    from actors.core.notifications import NotificationChange
    from cli.backend import ServerOptions

_KINDS = ("paused", "waiting", "succeeded", "failed", "cancelled", "killed", "ended")


@click.group(cls=Group)
def command() -> None:
    """Report changes of invocations to an address, as signed webhooks.

    A notice arrives at least once, always with the same id. If the address does not take it, it is sent again for three days.
    """


@command.command()
@click.argument("name")
@click.argument("address")
@click.option("--on", "kinds", multiple=True, required=True, type=click.Choice(_KINDS), help="A change to report.")
@click.option("--service", default="", help="Only invocations of this class.")
@click.option("--key", default=None, help="Only invocations of this key.")
@click.option("--handler", default="", help="Only invocations of this handler.")
@tag_option("Only invocations with this tag.")
@click.option("--note", default="", help="A comment for people.")
@reason_option
@server_options
def create(
    name: str,
    address: str,
    kinds: tuple[str, ...],
    service: str,
    key: str | None,
    handler: str,
    tags: dict[str, str] | None,
    note: str,
    reason: str,
    server: ServerOptions,
) -> None:
    """Create the notification NAME, which posts to ADDRESS; print its secret.

    \b
        playhead notifications create pager https://example.org/in --on failed
    """
    from actors.model.notification_options import NotificationOptions
    from cli.run import ask

    options = NotificationOptions(
        url=address, on=kinds, service=service, key=key, handler=handler, tags=tags, note=note, reason=reason
    )
    _show_secret(name, ask(server, lambda client: client.notifications.create_with(name, options)))


@command.command("list")
@output_option
@server_options
def list_command(output: str, server: ServerOptions) -> None:
    """List all notifications, by name."""
    from cli.render.notifications import NOTIFICATIONS
    from cli.run import read

    NOTIFICATIONS.show(read(server, lambda client: client.notifications.list()), output)


@command.command()
@click.argument("name")
@report_option
@server_options
def describe(name: str, output: str, server: ServerOptions) -> None:
    """Show the notification NAME: its counts and its last error."""
    from cli.render.notifications import notification_lines
    from cli.run import read

    info = read(server, lambda client: client.notifications.notification(name).info())
    if output == "json":
        out_json(info)
        return
    for line in notification_lines(info):
        out(line)


@command.command()
@click.argument("name")
@server_options
def test(name: str, server: ServerOptions) -> None:
    """Send a sample notice of NAME now, once."""
    from cli.run import ask

    result = ask(server, lambda client: client.notifications.notification(name).test())
    if result.error:
        err(f"{safe(name)}: {safe(result.error)}")
        raise SystemExit(1)
    out(f"{safe(name)}  delivered")


@command.command()
@click.argument("name")
@click.option("--address", default=None, help="The new address; notices that wait go there.")
@click.option("--on", "kinds", multiple=True, type=click.Choice(_KINDS), help="A change to report.")
@click.option("--note", default=None, help="A comment for people.")
@reason_option
@server_options
def update(
    name: str, address: str | None, kinds: tuple[str, ...], note: str | None, reason: str, server: ServerOptions
) -> None:
    """Set options of NAME; the others stay."""
    from cli.run import ask

    given = {"url": address, "on": kinds or None, "note": note}
    changes = {option: value for option, value in given.items() if value is not None}
    change = ask(server, lambda client: client.notifications.notification(name).update(reason=reason, **changes))
    out(f"{safe(name)}  {'changed' if change.changed else 'unchanged'}")


@command.command()
@click.argument("name")
@reason_option
@server_options
def rotate(name: str, reason: str, server: ServerOptions) -> None:
    """Reset the secret of NAME, and print the new one."""
    from cli.run import ask

    _show_secret(name, ask(server, lambda client: client.notifications.notification(name).rotate(reason=reason)))


@command.command()
@click.argument("name")
@reason_option
@server_options
def delete(name: str, reason: str, server: ServerOptions) -> None:
    """Delete NAME. Notices that wait are dropped."""
    from cli.run import ask

    ask(server, lambda client: client.notifications.notification(name).delete(reason=reason))
    out(f"{safe(name)}  deleted")


def _show_secret(name: str, change: NotificationChange) -> None:
    """Print the secret alone, so that a script can keep it."""
    if change.secret:
        out(change.secret)
        err(f"{safe(name)}: this is the secret of its signatures; it is not shown again")
    else:
        out(f"{safe(name)}  unchanged")
