"""``playhead call``: call a handler and print its result."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from cli.options import call_budget_option, max_duration_option, server_options, tag_option
from cli.render.output import err, out_json
from cli.targets import parse_argument, parse_target

if TYPE_CHECKING:
    from actors.control.client import Client
    from actors.model.handles import InvocationHandle
    from actors.model.info import OutcomeInfo
    from cli.backend import ServerOptions


_PATIENCE_SECONDS = 3.0
"""How long a call may take before the command shows the reasons why it waits, and how often it checks."""


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("target")
@click.argument("argument", required=False)
@click.option("--idempotency-key", default=None, help="A repeated call with the same key finds the same invocation.")
@tag_option("Tag the invocation; repeatable.")
@max_duration_option
@call_budget_option
@server_options
def command(
    target: str,
    argument: str | None,
    idempotency_key: str | None,
    tags: dict[str, str] | None,
    max_duration: float | None,
    budget: dict[str, str] | None,
    server: ServerOptions,
) -> None:
    """Call TARGET (Service/key/handler, or Service/handler) with ARGUMENT as JSON and print the result.

    One value for one parameter, an object for several, nothing for none; '-' reads it from stdin. If the call takes
    long, stderr says what it waits for.

    \b
        playhead call Counter/alice/add 5
        playhead call Agent/run_task '"hello"' --tag user=ada
    """
    from actors.model.requests import CallOptions
    from cli.outcomes import result_of
    from cli.run import ask

    called, body = parse_target(target), parse_argument(argument, sys.stdin)
    options = CallOptions(idempotency_key=idempotency_key, tags=tags, max_duration=max_duration, budget=budget)

    async def call(client: Client) -> Any:
        sent = await client.send_by_name(called, body, options)
        handle = client.invocation(sent.invocation_id)
        return result_of(await _outcome(handle), handle.id)

    out_json(ask(server, call))


async def _outcome(handle: InvocationHandle[Any]) -> OutcomeInfo:
    """Wait for the outcome and return it. Prints the reason of a long wait."""
    import trio

    ended: list[OutcomeInfo] = []
    errors: list[Exception] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_say_why, handle)
        try:
            ended.append(await handle.outcome())
        except Exception as error:  # kept apart from the nursery, which would wrap it
            errors.append(error)
        nursery.cancel_scope.cancel()
    if errors:
        raise errors[0]
    return ended[0]


async def _say_why(handle: InvocationHandle[Any]) -> None:
    import trio

    from actors.errors import ActorError
    from actors.model.explain import reasons
    from cli.render.reasons import line_of
    from journal.events import Status

    said = ""
    while True:
        await trio.sleep(_PATIENCE_SECONDS)
        with suppress(ActorError):  # the call itself reports a broken connection
            info = await handle.info()
            if info.status is Status.COMPLETED:  # its outcome is about to arrive
                return
            why = "; ".join(map(line_of, reasons(info)))
            if why != said:
                err(f"{handle.id}: {why}")
                said = why
