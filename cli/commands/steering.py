"""The verbs of ``playhead invocations``: one for one invocation, for several, or for all that a condition fits."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

import click

from cli.options import DURATION, RATE, output_option, reason_option, where_options, with_options
from cli.targets import complete_selection, parse_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.acting import Act, How, Start
    from cli.selecting import InvocationSelector
    from cli.source import Where

OPEN = "status <> 'completed'"
ENDED = "status = 'completed'"
HELD_BACK = "status in ('paused', 'backing_off')"
"""Those of a selection that a verb can do something for. Of ids that are named one by one, none is left out."""


def _verb(among: str | None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What all verbs take: which invocations, and how to go about it. The command gets ``selected`` and ``how``."""

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
            from cli.acting import How
            from cli.selecting import select

            how = How(output=output, is_dry=dry_run, is_sure=yes, is_detached=detach, rate=rate)
            return command(selected=select(which, condition, among), how=how, **kwargs)

        return with_options(
            with_selection,
            click.argument("which", nargs=-1, metavar="[WHICH]...", shell_complete=complete_selection),
            click.option("--where", "condition", default=None, help="Select by an SQL condition on sys_invocation."),
            _DRY_RUN,
            _YES,
            _RATE,
            _DETACH,
            output_option,
            where_options,
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


def _steer(selected: InvocationSelector, where: Where, how: How, act: Act, start: Start) -> None:
    from cli.acting import steer

    steer(selected, where, how, act, start)


@click.command()
@_verb(OPEN)
@reason_option
@click.option("--children", type=click.Choice(["called", "all"]), default="called", show_default=True)
@click.option("--kill-after", type=DURATION, default=None, help="Kill it if it has not ended after 30s, 5m, 2h.")
def cancel(
    selected: InvocationSelector, how: How, reason: str, children: str, kill_after: float | None, where: Where
) -> None:
    """Cancel invocations and run their compensations. WHICH: ids, '-' for ids from stdin, or Service[/key][/handler].

    \b
        playhead invocations list Agent --status paused -o id | playhead invocations cancel -
        playhead invocations cancel --where "last_error_type like '%ConnectionError'" --reason 'the endpoint is gone'
    """
    _steer(
        selected,
        where,
        how,
        lambda handle: handle.cancel(reason=reason, children=children, kill_after=kill_after),
        lambda several: several.cancel(reason=reason, children=children, kill_after=kill_after),
    )


@click.command()
@_verb(OPEN)
@reason_option
def kill(selected: InvocationSelector, how: How, reason: str, where: Where) -> None:
    """Kill invocations at once, without compensation. WHICH: ids, '-' for ids from stdin, or Service[/key][/handler]."""
    _steer(
        selected,
        where,
        how,
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
def pause(selected: InvocationSelector, how: How, reason: str, mode: str, where: Where) -> None:
    """Pause invocations where they are. WHICH: ids, '-' for ids from stdin, or Service[/key][/handler].

    Later invocations are not paused; 'playhead gates close' holds those, too.
    """
    _steer(
        selected,
        where,
        how,
        lambda handle: handle.pause(reason=reason, mode=mode),
        lambda several: several.pause(reason=reason, mode=mode),
    )


@click.command()
@_verb(HELD_BACK)
@reason_option
@click.option("--deployment", default="keep", show_default=True, help="The code to run on: keep, latest, or an id.")
@_REQUIRE_COMPATIBLE
def resume(
    selected: InvocationSelector, how: How, reason: str, deployment: str, require_compatible: bool, where: Where
) -> None:
    """Resume paused invocations, and retry those that back off now.

    WHICH: ids, '-' for ids from stdin, or Service[/key][/handler]. For ids, --dry-run replays them on that code with no effect, and
    the exit code is 1 if one would be paused there.
    """
    if how.is_dry and selected.is_by_ids:
        from cli.doing.check import check_by_server

        check_by_server(where, selected.ids, None, deployment, 0, how.output)
        return
    _steer(
        selected,
        where,
        how,
        lambda handle: handle.resume(reason=reason, deployment=deployment, require_compatible=require_compatible),
        lambda several: several.resume(
            reason=reason,
            deployment=None if deployment == "keep" else deployment,
            require_compatible=require_compatible,
        ),
    )


@click.command()
@_verb(ENDED)
def purge(selected: InvocationSelector, how: How, where: Where) -> None:
    """Delete history and result of completed invocations.

    WHICH: ids, '-' for ids from stdin, or Service[/key][/handler].
    """
    _steer(selected, where, how, lambda handle: handle.purge(), lambda several: several.purge())


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
    how: How,
    reason: str,
    from_step: str | None,
    text: str | None,
    stop: str | None,
    rewind_state: bool,
    no_hand_over: bool,
    deployment: str,
    require_compatible: bool,
    where: Where,
) -> None:
    """Restart as new invocations, from the beginning or a step. What came before that step is kept, not repeated.

    WHICH: ids, '-' for ids from stdin, or Service[/key][/handler]. For ids, --dry-run says what is kept and what begins again.

    \b
        playhead invocations restart inv_1… --from reimburse --deployment latest --reason 'the rate is fixed'
    """
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
    if how.is_dry and selected.is_by_ids:
        from cli.doing.restart_plans import show_plans

        show_plans(selected.ids, where, how.output, from_step, one)
        return
    moved = None if deployment == "keep" else deployment
    _steer(
        selected,
        where,
        how,
        lambda handle: handle.restart(from_step, **one),
        lambda selection: selection.restart(from_step, **several, deployment=moved),
    )


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
@where_options
def signal(
    words: tuple[str, ...],
    condition: str | None,
    yes: bool,
    dry_run: bool,
    rate: float | None,
    detach: bool,
    output: str,
    where: Where,
) -> None:
    """Send signal NAME with VALUE; buffered until awaited. VALUE is JSON.

    WHICH: an id, '-' for ids from stdin, or Service[/key][/handler].

    \b
        playhead invocations signal inv_1… approval true
        playhead invocations signal --where "awaited_signal = 'approval'" approval true --yes
    """
    which, named = ((), words) if condition is not None else (words[:1], words[1:])
    if not 1 <= len(named) <= 2:
        raise click.UsageError(
            "name the signal, and at most one value: [WHICH] NAME [VALUE]; WHICH is left out with --where"
        )
    name, text = named[0], named[1] if len(named) == 2 else None
    if "-" in which and text == "-":
        raise click.UsageError("stdin is either the ids or the value")
    decoded = parse_value(text, sys.stdin)

    from cli.acting import How
    from cli.selecting import select

    _steer(
        select(which, condition, OPEN),
        where,
        How(output=output, is_dry=dry_run, is_sure=yes, rate=rate, is_detached=detach),
        lambda handle: handle.signal(name, decoded),
        lambda several: several.signal(name, decoded),
    )


VERBS = (cancel, kill, pause, resume, restart, signal, purge)
