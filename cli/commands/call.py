"""``playhead call``: call a handler and print what it returns."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cli.options import where_options
from cli.targets import parse_argument, parse_target

if TYPE_CHECKING:
    from cli.source import Where


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("target")
@click.argument("argument", required=False)
@click.option("--idempotency-key", default=None, help="A repeated call with the same key finds the same invocation.")
@where_options
def command(target: str, argument: str | None, idempotency_key: str | None, where: Where) -> None:
    """Call TARGET (Service/key/handler, or Service/handler) with ARGUMENT as JSON and print the result.

    One value for one parameter, an object for several, nothing for none; '-' reads it from stdin. If the call takes
    long, stderr says what it waits for.

    \b
        playhead call Counter/alice/add 5
        playhead call Agent/run_task '"hello"'
    """
    from cli.doing.call import call

    call(parse_target(target), parse_argument(argument, sys.stdin), idempotency_key, where)
