"""``playhead audit``: who steered what, when, from where and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.options import limit_option, output_option, where_options

if TYPE_CHECKING:
    from cli.source import Where


@click.command()
@click.option("--by", default=None, help="Only requests of this principal, such as user:ada or token:ops.")
@click.option("--verb", default=None, help="Only this verb.")
@click.option("--target", default=None, help="Only requests to this invocation, service or gate.")
@limit_option
@click.option("--after", default=None, help="Continue after a page that was shown before.")
@click.option("--check", is_flag=True, help="Verify the hash chain instead: exit code 1 if a row was changed.")
@output_option
@where_options
def command(
    by: str | None,
    verb: str | None,
    target: str | None,
    limit: int,
    after: str | None,
    check: bool,
    output: str,
    where: Where,
) -> None:
    """Show who changed what, newest first, with refused and denied requests."""
    from cli.doing import audit

    if check:
        audit.check(where, output)
    else:
        audit.show(where, output, by=by, verb=verb, target=target, limit=limit, after=after)
