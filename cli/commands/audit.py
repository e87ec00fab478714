"""``playhead audit``: who changed what, when, from where and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import output_option, page_options, server_options
from cli.render.output import err, out, out_json
from cli.targets import parse_selection

if TYPE_CHECKING:
    from actors.control.client import Client
    from actors.model.pages import Page
    from actors.query.audit import AuditEntry
    from cli.backend import ServerOptions
    from cli.pages import Paging


@click.command()
@click.option("--by", default=None, help="Only requests of this principal, such as user:ada or token:ops.")
@click.option("--verb", default=None, help="Only this verb.")
@click.option("--target", default=None, help="Only requests to this invocation, service or gate.")
@page_options()
@click.option("--check", is_flag=True, help="Verify the hash chain instead: exit code 1 if a row was changed.")
@output_option
@server_options
def command(
    by: str | None,
    verb: str | None,
    target: str | None,
    paging: Paging,
    check: bool,
    output: str,
    server: ServerOptions,
) -> None:
    """Show who changed what, newest first, with refused and denied requests."""
    if check:
        _check_chain(server, output)
        return
    from actors.model.pages import Page
    from cli.pages import show_list
    from cli.render.tables import AUDIT_ENTRIES

    async def find(client: Client, size: int, after: str | None) -> Page[AuditEntry]:
        page = await client.audit(by=by, verb=verb, target=target, limit=size, after=after)
        return Page(page.entries, next=page.next)

    async def refuse(client: Client) -> None:
        if target is not None:
            await _refuse_unknown_target(client, target)

    show_list(server, AUDIT_ENTRIES, output, paging, find, if_empty=refuse)


async def _refuse_unknown_target(client: Client, target: str) -> None:
    """Raise if no audit entry has the target and nothing has that name."""
    from cli.exit_codes import Exit
    from cli.selection import refuse_unknown
    from journal.ids import parse_invocation_id

    if (await client.audit(target=target, limit=1)).entries or _is_scope(target):
        return
    if target.startswith("inv_"):
        await client.invocation(parse_invocation_id(target)).info()
    elif target.startswith("dep_"):
        await client.deployments.get(target)
    elif target.startswith("job_"):
        await client.jobs.job(target).info()
    elif ":" in target:  # token:NAME or backup:NAME, which have an entry from their creation
        err(f"the audit log has no entry about {target!r}")
        raise click.exceptions.Exit(Exit.NOT_FOUND)
    else:
        await refuse_unknown(client, parse_selection(target))


def _is_scope(target: str) -> bool:
    from actors.core.gates import parse_scope
    from actors.errors import InvalidArgumentError

    try:
        parse_scope(target)
    except InvalidArgumentError:
        return False
    return True


def _check_chain(server: ServerOptions, output: str) -> None:
    """Verify the hash chain. Ends the command with exit code 1 if it is broken."""
    from cli.exit_codes import Exit
    from cli.run import read

    checked = read(server, lambda client: client.verify_audit())
    if output == "json":
        out_json(checked)
    else:
        for head in checked.heads:
            out(f"partition {head.partition}: {head.number} rows, up to {head.link}")
        for broken in checked.broken:
            err(broken)
    if not checked.is_whole:
        raise click.exceptions.Exit(Exit.FAILED)
