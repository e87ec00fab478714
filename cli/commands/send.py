"""``playhead send``: have a handler do something, and go on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cli.options import DURATION, where_options
from cli.targets import parse_argument, parse_target

if TYPE_CHECKING:
    from cli.source import Where


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("target")
@click.argument("argument", required=False)
@click.option("--delay", type=DURATION, default=None, help="Deliver it after 10s, 5m, 2h, 3d.")
@click.option("--idempotency-key", default=None, help="A repeated call with the same key finds the same invocation.")
@where_options
def command(
    target: str,
    argument: str | None,
    delay: float | None,
    idempotency_key: str | None,
    where: Where,
) -> None:
    """Send a one-way message to TARGET (Service/key/handler, or Service/handler) with ARGUMENT as JSON; print the invocation's id.

    \b
        playhead send Reminder/bob/ring '"tea"' --delay 1h
    """
    from cli.doing.send import send

    send(parse_target(target), parse_argument(argument, sys.stdin), delay, idempotency_key, where)
