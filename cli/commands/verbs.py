"""The verbs of ``playhead invocations``: each for ids, for a service, key or handler, or for all that match a condition."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

import click

from cli.commands.check import check_by_server
from cli.options import DURATION, RATE, output_option, reason_option, server_options, with_options
from cli.render.output import err, out, out_json
from cli.targets import complete_selection, parse_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from actors.control.client import Client
    from actors.model.handles import RestartResult
    from cli.selection import InvocationSelector
    from cli.source import ServerOptions
    from cli.verbs import ExecOptions
    from journal.events import ControlResult
    from journal.ids import InvocationId


OPEN = "status <> 'completed'"
ENDED = "status = 'completed'"
HELD_BACK = "status in ('paused', 'backing_off')"
"""The part of a selection that a verb can change. Of ids, none is left out."""


def _verb(among: str | None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The arguments of every verb: which invocations, and how to act. The command gets ``selected`` and ``options``."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_selection(
            which: tuple[str, ...],
            condition: str | None,
            output: str,
            rate: float | None,
            dry_run: bool,
            yes: bool,
            detach: bool,
            **kwargs: Any,
        ) -> Any:
            from cli.selection import select
            from cli.verbs import ExecOptions

            options = ExecOptions(output=output, is_dry=dry_run, is_sure=yes, is_detached=detach, rate=rate)
            return command(selected=select(which, condition, among), options=options, **kwargs)

        return with_options(
            with_selection,
            click.argument("which", nargs=-1, metavar="[WHICH]...", shell_complete=complete_selection),
            click.option("--where", "condition", default=None, help="Select by an SQL condition on sys_invocation."),
            _DRY_RUN,
            _YES,
            _RATE,
            _DETACH,
            output_option,
            server_options,
        )

    return decorate


_RATE = click.option("--rate", type=RATE, default=None, help="Bulk only: at most RATE per second.")
_DETACH = click.option("--detach", is_flag=True, help="Bulk only: print the id of the job and do not wait for it.")
_DRY_RUN = click.option("--dry-run", is_flag=True, help="List the selected invocations and change nothing.")
_YES = click.option("-y", "--yes", is_flag=True, help="Skip the confirmation (bulk only).")


_REQUIRE_COMPATIBLE = click.option(
    "--require-compatible",
    is_flag=True,
    help="Refuse each invocation whose history does not replay on that deployment.",
)


@click.command()
@_verb(OPEN)
@reason_option
@click.option("--children", type=click.Choice(["called", "all"]), default="called", show_default=True)
@click.option("--kill-after", type=DURATION, default=None, help="Kill it if it has not ended after 30s, 5m, 2h.")
def cancel(
    selected: InvocationSelector,
    options: ExecOptions,
    reason: str,
    children: str,
    kill_after: float | None,
    server: ServerOptions,
) -> None:
    """Cancel invocations and run their compensations. WHICH: ids, '-' for ids from stdin, or Service[/key][/handler].

    \b
        playhead invocations list Agent --status paused -o id |
            playhead invocations cancel -
        playhead invocations cancel --reason 'the endpoint is gone' \\
            --where "last_error_type like '%ConnectionError'"
    """
    from cli.verbs import execute

    execute(
        selected,
        server,
        options,
        lambda handle: handle.cancel(reason=reason, children=children, kill_after=kill_after),
        lambda several: several.cancel(reason=reason, children=children, kill_after=kill_after),
    )


@click.command()
@_verb(OPEN)
@reason_option
def kill(selected: InvocationSelector, options: ExecOptions, reason: str, server: ServerOptions) -> None:
    """Kill invocations at once, without compensation. WHICH: ids, '-' for ids from stdin, or Service[/key][/handler]."""
    from cli.verbs import execute

    execute(
        selected,
        server,
        options,
        lambda handle: handle.kill(reason=reason),
        lambda several: several.kill(reason=reason),
    )


@click.command()
@_verb(OPEN)
@reason_option
@click.option(
    "--mode",
    type=click.Choice(["drain", "now"]),
    default="drain",
    show_default=True,
    help="drain: let a running step end; now: abort it, it runs again later.",
)
def pause(selected: InvocationSelector, options: ExecOptions, reason: str, mode: str, server: ServerOptions) -> None:
    """Pause invocations where they are. WHICH: ids, '-' for ids from stdin, or Service[/key][/handler].

    Later invocations are not paused; 'playhead gates close' holds those, too.
    """
    from cli.verbs import execute

    execute(
        selected,
        server,
        options,
        lambda handle: handle.pause(reason=reason, mode=mode),
        lambda several: several.pause(reason=reason, mode=mode),
    )


@click.command()
@_verb(HELD_BACK)
@reason_option
@click.option("--deployment", default="keep", show_default=True, help="The code to run on: keep, latest, or an id.")
@_REQUIRE_COMPATIBLE
def resume(
    selected: InvocationSelector,
    options: ExecOptions,
    reason: str,
    deployment: str,
    require_compatible: bool,
    server: ServerOptions,
) -> None:
    """Resume paused invocations, and retry those that back off now.

    WHICH: ids, '-' for ids from stdin, or Service[/key][/handler]. For ids, --dry-run replays them on that code with no effect, and
    the exit code is 1 if one would be paused there.
    """
    from cli.verbs import execute

    if options.is_dry and selected.is_by_ids:
        check_by_server(server, selected.ids, None, deployment, 0, options.output)
        return
    execute(
        selected,
        server,
        options,
        lambda handle: handle.resume(reason=reason, deployment=deployment, require_compatible=require_compatible),
        lambda several: several.resume(
            reason=reason,
            deployment=None if deployment == "keep" else deployment,
            require_compatible=require_compatible,
        ),
    )


@click.command()
@_verb(ENDED)
def purge(selected: InvocationSelector, options: ExecOptions, server: ServerOptions) -> None:
    """Delete history and result of completed invocations.

    WHICH: ids, '-' for ids from stdin, or Service[/key][/handler].
    """
    from cli.verbs import execute

    execute(selected, server, options, lambda handle: handle.purge(), lambda several: several.purge())


def _step(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """The step, if one is given. One that was given and is empty is an unset variable of a script."""
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty; leave it out to begin at the beginning")
    return value


@click.command()
@_verb(None)
@reason_option
@click.option(
    "--from",
    "from_step",
    callback=_step,
    help="The step to restart at, by name or path; 'end' keeps every step.",
)
@click.option("--input", "text", default=None, help="Replacement argument (JSON); only with ids.")
@click.option(
    "--stop", type=click.Choice(["cancel", "kill"]), default=None, help="Stop an invocation that has not ended."
)
@click.option("--rewind-state", is_flag=True, help="Reset the object's fields to their values at the step.")
@click.option("--no-hand-over", is_flag=True, help="Leave waiting callers on the original invocation.")
@click.option("--deployment", default="keep", show_default=True, help="The code to run on: keep, latest, or an id.")
@_REQUIRE_COMPATIBLE
def restart(
    selected: InvocationSelector,
    options: ExecOptions,
    reason: str,
    from_step: str | None,
    text: str | None,
    stop: str | None,
    rewind_state: bool,
    no_hand_over: bool,
    deployment: str,
    require_compatible: bool,
    server: ServerOptions,
) -> None:
    """Restart as new invocations, from the beginning or a step. What came before that step is kept, not repeated.

    WHICH: ids, '-' for ids from stdin, or Service[/key][/handler]. For ids, --dry-run says what is kept and what begins again.

    \b
        playhead invocations restart inv_1… --from reimburse \\
            --deployment latest --reason 'the rate is fixed'
    """
    from cli.verbs import execute

    if text is not None and not selected.is_by_ids:
        raise click.UsageError("--input is for invocations that are named by their ids")
    value = parse_value(text, sys.stdin)
    several: dict[str, Any] = {
        "reason": reason,
        "stop": stop,
        "rewind_state": rewind_state,
        "hand_over": not no_hand_over,
        "require_compatible": require_compatible,
    }
    one = several | {"input": value, "deployment": deployment}
    if options.is_dry and selected.is_by_ids:
        _show_plans(selected.ids, server, options.output, from_step, one)
        return
    moved = None if deployment == "keep" else deployment
    execute(
        selected,
        server,
        options,
        lambda handle: handle.restart(from_step, **one),
        lambda selection: selection.restart(from_step, **several, deployment=moved),
    )


def _show_plans(
    ids: Iterable[InvocationId], server: ServerOptions, output: str, from_step: str | None, asked: dict[str, Any]
) -> None:
    """Show what a restart of each would keep, what would run again, and what would be repeated if the code reaches it."""
    from actors.errors import Refused
    from actors.model.handles import RestartResult
    from cli.exit_codes import exit_code_of
    from cli.render.restart_plans import plan_lines
    from cli.run import ask
    from cli.verbs import about
    from journal.errors import JournalError

    async def plan_each(client: Client) -> list[tuple[str, ControlResult | RestartResult | Exception]]:
        found: list[tuple[str, ControlResult | RestartResult | Exception]] = []
        for of in ids:
            try:
                found.append((of, await client.invocation(of).restart(from_step, **asked, dry_run=True)))
            except (Refused, JournalError) as error:
                found.append((of, error))
        return found

    found = ask(server, plan_each)
    if output in ("json", "jsonl"):
        out_json([{"id": of, "plan": answer.successor} for of, answer in found if isinstance(answer, RestartResult)])
    errors = [(of, answer) for of, answer in found if isinstance(answer, Exception)]
    for of, answer in found:
        if isinstance(answer, RestartResult) and output in ("table", "wide"):
            out(of)
            for line in plan_lines(answer.successor):
                out(line)
    for of, error in errors:
        err(about(of, error))
    err("nothing was done")
    if errors:
        raise click.exceptions.Exit(exit_code_of(errors[0][1]))


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="[WHICH] NAME [VALUE]", shell_complete=complete_selection)
@click.option(
    "--where", "condition", default=None, help="Select by an SQL condition on sys_invocation; leave WHICH out."
)
@_YES
@_DRY_RUN
@_RATE
@_DETACH
@output_option
@server_options
def signal(
    words: tuple[str, ...],
    condition: str | None,
    yes: bool,
    dry_run: bool,
    rate: float | None,
    detach: bool,
    output: str,
    server: ServerOptions,
) -> None:
    """Send signal NAME with VALUE; buffered until awaited. VALUE is JSON.

    WHICH: an id, '-' for ids from stdin, or Service[/key][/handler].

    \b
        playhead invocations signal inv_1… approval true
        playhead invocations signal approval true --yes \\
            --where "awaited_signal = 'approval'"
    """
    from cli.selection import select
    from cli.verbs import ExecOptions, execute

    which, named = ((), words) if condition is not None else (words[:1], words[1:])
    if not 1 <= len(named) <= 2:
        raise click.UsageError(
            "name the signal, and at most one value: [WHICH] NAME [VALUE]; WHICH is left out with --where"
        )
    name, text = named[0], named[1] if len(named) == 2 else None
    if "-" in which and text == "-":
        raise click.UsageError("stdin is either the ids or the value")
    decoded = parse_value(text, sys.stdin)

    execute(
        select(which, condition, OPEN),
        server,
        ExecOptions(output=output, is_dry=dry_run, is_sure=yes, rate=rate, is_detached=detach),
        lambda handle: handle.signal(name, decoded),
        lambda several: several.signal(name, decoded),
    )


VERBS = (cancel, kill, pause, resume, restart, signal, purge)
