"""``playhead schedules``: handlers that are called at the times of a cron line or an interval."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from cli.groups import Group
from cli.options import DURATION, output_option, reason_option, report_option, server_options, with_options
from cli.render.output import counted, err, out, out_json, safe
from cli.targets import parse_value
from cli.times import instant

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.control.client import Client
    from actors.core.schedules import ScheduleChange
    from actors.model.schedule_info import ScheduleInfo
    from cli.backend import ServerOptions


@click.group(cls=Group)
def command() -> None:
    """Call handlers at the times of a cron line or at an interval.

    A time is written 2026-03-29, 2026-03-29T02:30 (both in the zone of the schedule) or 2026-03-29T02:30+02:00. It is shown in the zone of
    the schedule, with its offset; other commands show times in the zone of this machine.
    """


def _timing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    return with_options(
        function,
        click.option("--cron", default=None, help="A cron line: minute hour day month weekday; or @daily."),
        click.option("--every", type=DURATION, default=None, help="An interval instead: 30s, 10m, 2h."),
        click.option("--anchor", default=None, help="A time that the interval is counted from [default: now]."),
        click.option("--zone", default=None, help="The time zone of the cron line [default: UTC]."),
        click.option("--start", default=None, help="No run before this time."),
        click.option("--end", default=None, help="No run after this time."),
    )


def _run_options(function: Callable[..., Any]) -> Callable[..., Any]:
    return with_options(
        function,
        click.option("--time-parameter", default=None, help="The handler's parameter that gets the nominal time."),
        click.option(
            "--missed",
            type=click.Choice(["skip", "one", "all"]),
            default=None,
            help="Runs for times that passed while no process was running [default: one].",
        ),
        click.option("--missed-limit", type=click.IntRange(1, 1000), default=None, help="The most of them for 'all'."),
        click.option(
            "--overlap",
            type=click.Choice(["skip", "queue", "allow", "cancel_previous"]),
            default=None,
            help="What to do while an earlier run is open [default: skip].",
        ),
        click.option("--note", default=None, help="A comment for people."),
        reason_option,
    )


@command.command()
@click.argument("name")
@click.argument("target")
@click.argument("argument", required=False)
@_timing_options
@_run_options
@server_options
def create(
    name: str, target: str, argument: str | None, reason: str, server: ServerOptions, **options: str | float | None
) -> None:
    """Create the schedule NAME, which calls TARGET with ARGUMENT as JSON.

    \b
        playhead schedules create nightly Report/run --cron '30 2 * * *'
    """
    from cli.run import ask

    given, value = _given(options, str(options["zone"] or "UTC")), parse_value(argument, sys.stdin)

    async def created(client: Client) -> ScheduleInfo:
        handle = await client.schedules.create(name, target, value, reason=reason, **given)
        return await handle.info(count=1)

    info = ask(server, created)
    out(f"{safe(name)}  {info.state.value}  next {_next_of(info)}")


@command.command("list")
@output_option
@server_options
def list_command(output: str, server: ServerOptions) -> None:
    """List all schedules, by name."""
    from cli.render.schedules import SCHEDULES
    from cli.run import read

    SCHEDULES.show(read(server, lambda client: client.schedules.list()), output)


@command.command()
@click.argument("name")
@click.option(
    "--count", default=5, show_default=True, type=click.IntRange(1, 1000), help="How many next times to show."
)
@report_option
@server_options
def show(name: str, count: int, output: str, server: ServerOptions) -> None:
    """Show the schedule NAME: its next times and its runs."""
    from cli.render.schedules import schedule_lines
    from cli.run import read

    info = read(server, lambda client: client.schedules.schedule(name).info(count=count))
    if output == "json":
        out_json(info)
        return
    for line in schedule_lines(info):
        out(line)


@command.command("next")
@click.argument("cron")
@click.option("--zone", default="UTC", show_default=True, help="The time zone of the cron line.")
@click.option("--start", default=None, help="The times after this one [default: now].")
@click.option("--count", default=5, show_default=True, type=click.IntRange(1, 1000), help="How many times to show.")
def next_command(cron: str, zone: str, start: str | None, count: int) -> None:
    """Show the next times of the line CRON, without a server.

    \b
        playhead schedules next '0 9 * * MON' --zone Europe/Berlin
    """
    import time
    from itertools import islice

    from actors.core.schedules import Timing
    from actors.model.timetable import Timetable, checked_cron, checked_zone
    from cli.render.schedules import at_in

    after = time.time() if start is None else instant(start, "start", zone)
    table = Timetable(Timing(cron=checked_cron(cron), zone=checked_zone(zone)))
    for at in islice(table.times_after(after), count):
        out(at_in(zone, at))


@command.command()
@click.argument("name")
@reason_option
@server_options
def pause(name: str, reason: str, server: ServerOptions) -> None:
    """Pause NAME: no run starts until it is resumed. Open runs continue."""
    from cli.run import ask

    _show_change(name, ask(server, lambda client: client.schedules.schedule(name).pause(reason=reason)))


@command.command()
@click.argument("name")
@reason_option
@server_options
def resume(name: str, reason: str, server: ServerOptions) -> None:
    """Resume NAME, from its next time on."""
    from cli.run import ask

    _show_change(name, ask(server, lambda client: client.schedules.schedule(name).resume(reason=reason)))


@command.command()
@click.argument("name")
@reason_option
@server_options
def trigger(name: str, reason: str, server: ServerOptions) -> None:
    """Run NAME now; print the invocation's id."""
    from cli.run import ask

    run = ask(server, lambda client: client.schedules.schedule(name).trigger(reason=reason))
    out(run.invocation_id)
    if run.waits:
        err("the run starts when the earlier ones have ended")


@command.command()
@click.argument("name")
@click.argument("start")
@click.argument("end")
@reason_option
@server_options
def backfill(name: str, start: str, end: str, reason: str, server: ServerOptions) -> None:
    """Run NAME for each of its times from START to END, both included. A date alone is its midnight: the runs of that END day are not.

    \b
        playhead schedules backfill nightly 2026-03-01 2026-03-08
    """
    from cli.run import ask

    async def planned(client: Client) -> int:
        handle = client.schedules.schedule(name)
        zone = (await handle.info(count=1)).zone
        return await handle.backfill(instant(start, "START", zone), instant(end, "END", zone), reason=reason)

    out(counted(ask(server, planned), "run"))


@command.command()
@click.argument("name")
@click.option("--target", default=None, help="The handler: Service/key/handler, or Service/handler.")
@click.option("--argument", default=None, help="Its argument as JSON; null for none.")
@_timing_options
@_run_options
@server_options
def update(name: str, argument: str | None, reason: str, server: ServerOptions, **options: str | float | None) -> None:
    """Set options of NAME; the others stay. An empty time drops it: --end ''."""
    from cli.run import ask

    async def updated(client: Client) -> ScheduleChange:
        handle = client.schedules.schedule(name)
        zone = str(options["zone"] or (await handle.info(count=1)).zone)
        changes = _given(options, zone)
        if argument is not None:
            changes["argument"] = parse_value(argument, sys.stdin)
        return await handle.update(reason=reason, **changes)

    _show_change(name, ask(server, updated))


@command.command()
@click.argument("name")
@reason_option
@server_options
def delete(name: str, reason: str, server: ServerOptions) -> None:
    """Delete NAME. Open runs continue, and runs that wait are dropped."""
    from cli.run import ask

    ask(server, lambda client: client.schedules.schedule(name).delete(reason=reason))
    out(f"{safe(name)}  deleted")


_INSTANTS = {"anchor": "anchor", "start": "start_at", "end": "end_at"}


def _given(options: dict[str, str | float | None], zone: str) -> dict[str, Any]:
    """Return the options that were given, by their names in Python; None for a time that is dropped."""
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for word, name in _INSTANTS.items():
        if word in given:
            text = given.pop(word)
            given[name] = instant(text, word, zone) if text else None
    return given


def _next_of(info: ScheduleInfo) -> str:
    from cli.render.schedules import at_in

    return at_in(info.zone, info.next[0]) if info.next else "never"


def _show_change(name: str, change: ScheduleChange) -> None:
    out(f"{safe(name)}  {'changed' if change.changed else 'unchanged'}")
