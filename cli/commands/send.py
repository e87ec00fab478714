"""``playhead send``: send a one-way message to a handler."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cli.options import DURATION, call_budget_option, max_duration_option, server_options, tag_option
from cli.render.output import err, out
from cli.targets import parse_argument, parse_target

if TYPE_CHECKING:
    from cli.backend import ServerOptions


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("target")
@click.argument("argument", required=False)
@click.option("--delay", type=DURATION, default=None, help="Deliver the message after 10s, 5m, 2h or 3d.")
@click.option("--idempotency-key", default=None, help="A repeated call with the same key finds the same invocation.")
@tag_option("Tag the invocation; repeatable.")
@max_duration_option
@call_budget_option
@click.option(
    "--debounce", default=None, metavar="KEY", help="Replace the message under this key whose delay is not over."
)
@click.option(
    "--max-delay", type=DURATION, default=None, help="Deliver the last one at most this long after the first."
)
@server_options
def command(
    target: str,
    argument: str | None,
    delay: float | None,
    idempotency_key: str | None,
    tags: dict[str, str] | None,
    max_duration: float | None,
    budget: dict[str, str] | None,
    debounce: str | None,
    max_delay: float | None,
    server: ServerOptions,
) -> None:
    """Send a one-way message to TARGET (Service/key/handler, or Service/handler) with ARGUMENT as JSON; print the invocation's id.

    \b
        playhead send Reminder/bob/ring '"tea"' --delay 1h
        playhead send Index/refresh '"page-7"' --delay 30s --debounce page-7
    """
    from actors.model.requests import CallOptions
    from cli.run import ask

    called, body = parse_target(target), parse_argument(argument, sys.stdin)
    options = CallOptions(
        idempotency_key=idempotency_key,
        delay=delay,
        tags=tags,
        max_duration=max_duration,
        budget=budget,
        debounce=debounce,
        max_delay=max_delay,
    )
    sent = ask(server, lambda client: client.send_by_name(called, body, options))
    out(sent.invocation_id)
    if not sent.is_new:
        err("the message was already sent under this key; nothing was sent")
