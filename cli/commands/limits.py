"""``playhead limits``: limit how many invocations run at once, how many start in a period, and how much they spend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.groups import Group
from cli.options import budget_option, output_option, reason_option, report_option, server_options
from cli.render.output import err, out, out_json, safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.model.limit_info import LimitAnswer, LimitInfo
    from cli.backend import ServerOptions


class _StartRate(click.ParamType[tuple[int, float]]):
    """A number of starts and a period, as ``100/1m``."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, float]:
        from actors.errors import InvalidArgumentError
        from actors.http.durations import parse_duration

        number, slash, period = str(value).partition("/")
        if not slash or not number.isascii() or not number.isdigit() or len(number) > 9:
            self.fail(f"{value!r} is not a rate; write a number of starts and a period, such as 100/1m.", param, ctx)
        try:
            return int(number), parse_duration(period, bare="s", name="the period")
        except InvalidArgumentError as error:
            self.fail(str(error), param, ctx)


@click.group(cls=Group)
def command() -> None:
    """Set how many invocations run at once, start in a period, and may spend. Others wait in order."""


@command.command("list")
@output_option
@server_options
def list_command(output: str, server: ServerOptions) -> None:
    """List the limits, with their running and waiting invocations and amounts spent."""
    from cli.render.tables import LIMITS
    from cli.run import read

    limits = read(server, lambda client: client.limits.list())
    LIMITS.show(limits, output)
    _say_that_nodes_count(limits)


@command.command("set")
@click.argument("scope")
@click.option("--concurrency", type=click.IntRange(min=1), help="How many may run at once.")
@click.option("--rate", type=_StartRate(), metavar="STARTS/PERIOD", help="How many may start in any period, as 100/1m.")
@budget_option("The amount that they may spend, as tokens=100000; repeatable.")
@reason_option
@report_option
@server_options
def set_command(
    scope: str,
    concurrency: int | None,
    rate: tuple[int, float] | None,
    budget: dict[str, str] | None,
    reason: str,
    output: str,
    server: ServerOptions,
) -> None:
    """Set the limit of SCOPE, in place of its present limit.

    A SCOPE is 'everything', service:NAME, handler:NAME/HANDLER, key:NAME/KEY or tag:NAME=VALUE. key:NAME counts each key on its
    own, and tag:NAME each value. The limit of one key or value replaces that of each; with no bound it is exempt. Invocations
    that run already are not stopped. Once a budget is used up, they are paused before they continue, until it is raised. Each node
    of a cluster permits the concurrency and the rate on its own.

    \b
        playhead limits set service:Agent --concurrency 50
        playhead limits set tag:user --concurrency 2 --rate 100/1m
        playhead limits set tag:user=ada --concurrency 10
        playhead limits set service:Agent --budget tokens=1000000
    """
    from cli.run import ask

    starts, period = (None, 60.0) if rate is None else rate
    answer = ask(
        server,
        lambda client: client.limits.set(
            scope, concurrency=concurrency, rate=starts, period=period, budget=budget, reason=reason
        ),
    )
    _show_change(answer, output)


@command.command()
@click.argument("scope")
@reason_option
@report_option
@server_options
def delete(scope: str, reason: str, output: str, server: ServerOptions) -> None:
    """Delete the limit of SCOPE. Invocations that wait for it start."""
    from cli.run import ask

    answer = ask(server, lambda client: client.limits.delete(scope, reason=reason))
    _show_change(answer, output)
    if answer.before is None:
        err(f"{scope} has no limit; nothing was changed")


def _show_change(answer: LimitAnswer, output: str) -> None:
    if output == "json":
        out_json(answer)
        return
    before, after = _in_words(answer.before), _in_words(answer.after)
    out(f"{safe(answer.scope)}  {'changed' if answer.changed else 'unchanged'}  {before} -> {after}")
    _say_that_nodes_count([] if answer.after is None else [answer.after])


def _say_that_nodes_count(limits: Sequence[LimitInfo]) -> None:
    node = next((limit.node for limit in limits if limit.node and (limit.concurrency or limit.rate)), "")
    if node:
        err(
            f"each node of the cluster counts on its own, so concurrency and rate are those of one node; asked was {safe(node)}"
        )


def _in_words(limit: LimitInfo | None) -> str:
    from actors.core.limits import written_rate
    from actors.values.amounts import grouped

    if limit is None:
        return "none"
    parts = [] if limit.concurrency is None else [f"{limit.concurrency} at once"]
    parts += [] if limit.rate is None else [written_rate(limit.rate, limit.period)]
    parts += [f"{grouped(amount)} {name}" for name, amount in (limit.budget or {}).items()]
    return ", ".join(parts) or "no bound"
