"""The verbs of ``playhead invocations``: for ids, for a service, key or handler, or for everything that matches a condition."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

import click

from cli.commands.check import check_by_server
from cli.options import DURATION, RATE, output_option, reason_option, server_options, tag_option, with_options
from cli.render.output import err, out, out_json
from cli.targets import complete_selection, parse_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from actors.control.client import Client
    from actors.model.restart_result import RestartResult
    from cli.backend import ServerOptions
    from cli.selection import InvocationSelector
    from cli.verbs import ExecOptions
    from journal.events import ControlResult
    from journal.ids import InvocationId


OPEN = "status <> 'completed'"
SCHEDULED = "scheduled_for is not null and status <> 'completed'"
ENDED = "status = 'completed'"
HELD_BACK = "status in ('paused', 'backing_off')"
"""The invocations of a selection that a verb can change. Ids are never left out."""


def _verb(among: str | None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the arguments of every verb. The command gets ``selected`` and ``options``."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_selection(
            which: tuple[str, ...],
            condition: str | None,
            tags: dict[str, str] | None,
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
            return command(selected=select(which, condition, tags, among), options=options, **kwargs)

        return with_options(
            with_selection,
            click.argument("which", nargs=-1, metavar="[WHICH]...", shell_complete=complete_selection),
            click.option("--where", "condition", default=None, help="Select by an SQL condition on sys_invocation."),
            _TAG,
            _DRY_RUN,
            _YES,
            _RATE,
            _DETACH,
            output_option,
            server_options,
        )

    return decorate


_TAG = tag_option("Select by a tag; repeatable.")
_RATE = click.option("--rate", type=RATE, default=None, help="Bulk only: at most RATE per second.")
_DETACH = click.option("--detach", is_flag=True, help="Bulk only: print the id of the job and do not wait for it.")
_DRY_RUN = click.option("--dry-run", is_flag=True, help="List the selected invocations and change nothing.")
_YES = click.option("-y", "--yes", is_flag=True, help="Bulk only: skip the confirmation.")


def _execute(
    verb: str, selected: InvocationSelector, server: ServerOptions, options: ExecOptions, asked: dict[str, Any]
) -> None:
    from actors.core.jobs import JobVerb
    from actors.model.verb_options_json import parse_options
    from cli.verbs import execute

    execute(selected, server, options, parse_options(JobVerb(verb), asked))


_NO_CHECK = click.option(
    "--no-check",
    "check",
    flag_value=False,
    default=True,
    type=bool,
    help="Move them to other code without replaying their histories there first.",
)


_DEPLOYMENT = click.option(
    "--deployment", default="keep", show_default=True, help="The deployment to run on: keep, latest, or an id."
)


@click.command()
@_verb(OPEN)
@reason_option
@click.option(
    "--children",
    type=click.Choice(["called", "all"]),
    default="called",
    show_default=True,
    help="Also cancel the calls it waits for (called), and its messages (all).",
)
@click.option(
    "--kill-after", type=DURATION, default=None, help="Kill an invocation that has not ended after this time."
)
def cancel(selected: InvocationSelector, options: ExecOptions, server: ServerOptions, **asked: Any) -> None:
    """Cancel invocations and run their compensations. WHICH: ids, '-' for ids from stdin, or Service[/key][/handler].

    \b
        playhead invocations list Agent --status paused -o id |
            playhead invocations cancel -
        playhead invocations cancel --reason 'the endpoint is gone' \\
            --where "status = 'backing_off' and last_error like '%gone%'"
    """
    _execute("cancel", selected, server, options, asked)


@click.command()
@_verb(OPEN)
@reason_option
def kill(selected: InvocationSelector, options: ExecOptions, server: ServerOptions, **asked: Any) -> None:
    """Kill invocations at once, without compensation. WHICH: ids, '-' for ids from stdin, or Service[/key][/handler]."""
    _execute("kill", selected, server, options, asked)


@click.command()
@_verb(OPEN)
@reason_option
@click.option(
    "--mode",
    type=click.Choice(["drain", "now"]),
    default="drain",
    show_default=True,
    help="drain: let a running step end; now: abort and rerun it later.",
)
def pause(selected: InvocationSelector, options: ExecOptions, server: ServerOptions, **asked: Any) -> None:
    """Pause invocations where they are. WHICH: ids, '-' for ids from stdin, or Service[/key][/handler].

    Later invocations are not paused; 'playhead gates close' holds those, too.
    """
    _execute("pause", selected, server, options, asked)


def _more(_: click.Context, param: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str] | None:
    from actors.errors import InvalidArgumentError, LimitExceededError
    from actors.values.amounts import amounts_of_pairs

    for pair in pairs:
        if "=+" not in pair:
            raise click.BadParameter(
                f"{pair!r} does not say that it is added; write a quantity, =+ and an amount, such as usd=+5",
                param=param,
            )
    try:
        return amounts_of_pairs([pair.replace("=+", "=", 1) for pair in pairs], "--budget") if pairs else None
    except (InvalidArgumentError, LimitExceededError) as error:
        raise click.BadParameter(str(error), param=param) from error


@click.command()
@_verb(HELD_BACK)
@reason_option
@_DEPLOYMENT
@_NO_CHECK
@click.option(
    "--budget",
    multiple=True,
    metavar="NAME=+AMOUNT",
    callback=_more,
    help="Add this to its budget, by the name of the quantity; repeatable.",
)
def resume(selected: InvocationSelector, options: ExecOptions, server: ServerOptions, **asked: Any) -> None:
    """Resume paused invocations, and retry backing-off ones now.

    WHICH: ids, '-' for ids from stdin, or Service[/key][/handler]. For ids, --dry-run replays them on that code with no effect, and
    the exit code is 1 if one would be paused there.

    \b
        playhead invocations resume inv_1… --budget usd=+5
    """
    if options.is_dry and selected.is_by_ids:
        if asked["budget"] is not None:
            raise click.UsageError("--dry-run gives no budget; leave --budget out")
        check_by_server(server, selected.ids, None, asked["deployment"], 0, options.output)
        return
    _execute("resume", selected, server, options, asked)


def _at(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    from cli.times import instant

    return None if value is None else instant(value, "--at", None)


@click.command()
@_verb(SCHEDULED)
@reason_option
@click.option("--at", callback=_at, default=None, metavar="TIME", help="The new time; by default now.")
@click.option("--delay", type=DURATION, default=None, help="The new time, counted from now.")
def reschedule(selected: InvocationSelector, options: ExecOptions, server: ServerOptions, **asked: Any) -> None:
    """Move invocations that wait for their time to another time, or start them now.

    WHICH: ids, '-' for ids from stdin, or Service[/key][/handler]. A TIME without an offset is local.

    \b
        playhead invocations reschedule inv_1…
        playhead invocations reschedule Mail/send --delay 2h
        playhead invocations reschedule inv_1… --at 2026-03-29T08:30
    """
    if asked["at"] is not None and asked["delay"] is not None:
        raise click.UsageError("pass --at or --delay, not both; neither means now")
    _execute("reschedule", selected, server, options, asked)


@click.command()
@_verb(ENDED)
def purge(selected: InvocationSelector, options: ExecOptions, server: ServerOptions) -> None:
    """Delete history and result of completed invocations.

    WHICH: ids, '-' for ids from stdin, or Service[/key][/handler].
    """
    _execute("purge", selected, server, options, {})


def _step(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Return the step unchanged. Refuses an empty one, which is probably an unset variable of a script."""
    if value is not None and not value.strip():
        raise click.BadParameter("the step is empty; omit --from to restart from the beginning")
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
@click.option("--input", default=None, help="Replace the argument (JSON); only with ids.")
@click.option(
    "--stop", type=click.Choice(["cancel", "kill"]), default=None, help="Stop an invocation that has not ended."
)
@click.option("--rewind-state", is_flag=True, help="Reset the object's fields to their values at the step.")
@click.option(
    "--no-hand-over",
    "hand_over",
    is_flag=True,
    flag_value=False,
    default=True,
    help="Leave waiting callers with the original invocation.",
)
@click.option(
    "--again",
    is_flag=True,
    help="Restart it even if it was restarted before: the effects that follow happen once more.",
)
@_DEPLOYMENT
@_NO_CHECK
def restart(
    selected: InvocationSelector, options: ExecOptions, server: ServerOptions, input: str | None, **asked: Any
) -> None:
    """Restart as new invocations, from the beginning or a step. Earlier steps are kept, not repeated.

    WHICH: ids, '-' for ids from stdin, or Service[/key][/handler]. For ids, --dry-run says what is kept and what begins again.

    \b
        playhead invocations restart inv_1… --from reimburse \\
            --deployment latest --reason 'the rate is fixed'
    """
    if input is not None and not selected.is_by_ids:
        raise click.UsageError("--input works only with invocation ids")
    asked["input"] = parse_value(input, sys.stdin)
    if options.is_dry and selected.is_by_ids:
        _show_plans(selected.ids, server, options.output, asked)
        return
    _execute("restart", selected, server, options, asked)


def _show_plans(ids: Iterable[InvocationId], server: ServerOptions, output: str, asked: dict[str, Any]) -> None:
    """Show what each restart would keep, what would run again, and what would be repeated if the code reaches it."""
    from actors.errors import RefusedError
    from actors.model.restart_result import RestartResult
    from cli.exit_codes import exit_code_of
    from cli.render.restart_plans import plan_lines
    from cli.run import ask
    from cli.verbs import about
    from journal.errors import JournalError

    async def plan_each(client: Client) -> list[tuple[str, ControlResult | RestartResult | Exception]]:
        found: list[tuple[str, ControlResult | RestartResult | Exception]] = []
        for of in ids:
            try:
                found.append((of, await client.invocation(of).restart(**asked, dry_run=True)))
            except (RefusedError, JournalError) as error:
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
@click.option("--error", default=None, metavar="TEXT", help="Let the wait fail with this text; VALUE are the details.")
@_TAG
@_YES
@_DRY_RUN
@_RATE
@_DETACH
@output_option
@server_options
def signal(
    words: tuple[str, ...],
    condition: str | None,
    error: str | None,
    tags: dict[str, str] | None,
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
        playhead invocations signal inv_1… approval --error 'too late'
        playhead invocations signal approval true --yes \\
            --where "awaited_signal = 'approval'"
    """
    from cli.selection import select
    from cli.verbs import ExecOptions

    is_by_words = condition is None and tags is None
    which, named = (words[:1], words[1:]) if is_by_words else ((), words)
    if not 1 <= len(named) <= 2:
        raise click.UsageError(
            "pass NAME and at most one VALUE: [WHICH] NAME [VALUE]; omit WHICH with --where or --tag"
        )
    name, text = named[0], named[1] if len(named) == 2 else None
    if "-" in which and text == "-":
        raise click.UsageError("both WHICH and VALUE are '-'; stdin can be read only once")
    decoded = parse_value(text, sys.stdin)

    _execute(
        "signal",
        select(which, condition, tags, OPEN),
        server,
        ExecOptions(output=output, is_dry=dry_run, is_sure=yes, rate=rate, is_detached=detach),
        {"name": name, "value": decoded, "error": error},
    )


VERBS = (cancel, kill, pause, resume, reschedule, restart, signal, purge)
