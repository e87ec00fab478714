"""``playhead gates``: hold a service, a handler, a key, a deployment or everything, and let it go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import click
import trio

from actors.gates import GateClient
from actors.inspection import GateAnswer, GateInfo
from cli.listing import output_option, report_option
from cli.output import emit, emit_json, remark, safe
from cli.source import Where, live, options
from cli.tables import GATES

_REASON = click.option("--reason", default="", help="Why; it is shown to whoever waits, and kept in the audit.")


@click.group()
def command() -> None:
    """Hold work back, and let it go on. What is held is accepted and waits.

    A SCOPE is 'everything', service:NAME, handler:NAME/HANDLER, key:NAME/KEY or deployment:ID.
    """


@command.command("list")
@output_option
@options
def list_command(output: str, where: Where) -> None:
    """List the gates that are closed, and the exceptions to them (their state is open)."""

    async def run() -> tuple[GateInfo, ...]:
        async with live(where) as client:
            return await client.gates.list()

    GATES.show(trio.run(run), output)


@command.command()
@click.argument("scope")
@_REASON
@click.option(
    "--mode",
    type=click.Choice(["drain", "now"]),
    default="drain",
    show_default=True,
    help="Let running steps end and be recorded, or abort them; they run again later.",
)
@report_option
@options
def close(scope: str, reason: str, mode: str, output: str, where: Where) -> None:
    """Hold everything in SCOPE, whatever was opened in it before.

    \b
        playhead gates close service:Agent --reason 'the database is down for maintenance'
    """
    _change(where, output, lambda gates: gates.close(scope, mode=mode, reason=reason))


@command.command("open")
@click.argument("scope")
@_REASON
@report_option
@options
def open_command(scope: str, reason: str, output: str, where: Where) -> None:
    """Let everything in SCOPE go on, but for narrower scopes that were closed by themselves.

    While a wider gate is closed, this makes an exception to it.
    """
    _change(where, output, lambda gates: gates.open(scope, reason=reason))


def _change(where: Where, output: str, ask: Callable[[GateClient], Awaitable[Any]]) -> None:
    async def run() -> GateAnswer:
        async with live(where) as client:
            answer: GateAnswer = await ask(client.gates)
            return answer

    answer = trio.run(run)
    if output == "json":
        emit_json(answer)
        return
    change = "changed" if answer.changed else "unchanged"
    emit(f"{safe(answer.scope)}  {change}  {answer.before.value} -> {answer.after.value}")
    if answer.gate is not None and answer.gate.scope != answer.scope:
        remark(f"it is held by the gate {answer.gate.scope}")
