"""``playhead audit``: who changed what, when, from where and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import limit_option, output_option, server_options
from cli.render.output import err, out, out_json
from cli.targets import parse_selection

if TYPE_CHECKING:
    from actors.control.client import Client
    from actors.query.audit import AuditPage, AuditQuery
    from cli.backend import ServerOptions


@click.command()
@click.option("--by", default=None, help="Only requests of this principal, such as user:ada or token:ops.")
@click.option("--verb", default=None, help="Only this verb.")
@click.option("--target", default=None, help="Only requests to this invocation, service or gate.")
@limit_option
@click.option("--after", default=None, help="Continue after the page that printed this value.")
@click.option("--check", is_flag=True, help="Verify the hash chain instead: exit code 1 if a row was changed.")
@output_option
@server_options
def command(
    by: str | None,
    verb: str | None,
    target: str | None,
    limit: int,
    after: str | None,
    check: bool,
    output: str,
    server: ServerOptions,
) -> None:
    """Show who changed what, newest first, with refused and denied requests."""
    from actors.query.audit import AuditQuery

    if check:
        _check_chain(server, output)
    else:
        _show_page(server, output, AuditQuery(by=by, verb=verb, target=target, limit=limit, after=after))


def _show_page(server: ServerOptions, output: str, query: AuditQuery) -> None:
    from cli.render.tables import AUDIT_ENTRIES
    from cli.run import read

    async def find(client: Client) -> AuditPage:
        page = await client.audit(
            by=query.by, verb=query.verb, target=query.target, limit=query.limit, after=query.after
        )
        if not page.entries and query.target is not None:
            await _refuse_unknown_target(client, query.target)
        return page

    page = read(server, find)
    if output == "json":
        out_json(page)
        return
    AUDIT_ENTRIES.show(page.entries, output)
    if page.next is not None:
        err(f"there are more; continue with --after {page.next}")


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
