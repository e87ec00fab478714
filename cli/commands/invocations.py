"""``playhead invocations``: list, describe and steer them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import click
import msgspec
import trio

from actors.inspection import InvocationInfo, JournalEntry, show
from actors.listing import Listing
from actors.references import InvocationHandle
from cli.commands import check
from cli.exits import Exit, exit_code_of
from cli.output import ago, emit, emit_json, emit_json_line, emit_table, remark, safe, when
from cli.source import Where, live, options, readable
from cli.targets import parse_selection
from journal.errors import JournalError
from journal.events import Answer, OutcomeKind, Status
from journal.ids import parse_invocation_id

_OUTPUT = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people, or for programs.",
)
_REASON = click.option("--reason", default="", help="Why; it is kept with the event.")
_STATUSES = [status.value for status in Status]


@click.group()
def command() -> None:
    """List, describe and steer invocations, on a running server; or look at a data directory at rest."""


command.add_command(check.command, "check")


@command.command("list")
@click.argument("selection", required=False)
@click.option("--status", type=click.Choice(_STATUSES), multiple=True, help="Only these; may be given more than once.")
@click.option("--where", "condition", default=None, help="Only those that this fits: SQL over sys_invocation.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1000))
@_OUTPUT
@options
def list_command(
    selection: str | None,
    status: tuple[str, ...],
    condition: str | None,
    limit: int,
    output: str,
    where: Where,
) -> None:
    """List invocations, newest first. SELECTION is Service, Service/key or Service/key/handler, each part exact.

    \b
        playhead invocations list --where "status = 'paused' and last_error_type like '%Connection%'"
    """
    service, key, handler = parse_selection(selection) if selection is not None else (None, None, None)
    listing = Listing(
        status=frozenset(Status(text) for text in status) or None,
        service=service,
        key=key,
        handler=handler,
        where=condition,
        limit=limit,
    )

    async def run() -> list[InvocationInfo]:
        async with readable(where) as source:
            return await source.find(listing)

    found = trio.run(run)
    if output == "json":
        emit_json(found)
        return
    emit_table(("ID", "TARGET", "STATUS", "CREATED", "NOTE"), [_line(info) for info in found])
    if len(found) == limit:
        remark(f"the newest {limit}; there may be more: --limit shows more, --status, --where and SELECTION narrow it")


def _line(info: InvocationInfo) -> tuple[str, str, str, str, str]:
    return info.id, str(info.target), _status(info), ago(info.created_at), _note(info)


def _status(info: InvocationInfo) -> str:
    if info.outcome is not None:
        return info.outcome.kind.value
    return f"{info.status.value} ({info.phase})" if info.phase else info.status.value


def _note(info: InvocationInfo) -> str:
    if info.pause_reason:
        return info.pause_reason
    if info.outcome is not None:
        failure = info.outcome.failure
        return info.outcome.reason if failure is None else f"{failure.type}: {failure.message}"
    return "" if info.last_failure is None else f"{info.last_failure.type}: {info.last_failure.message}"


@command.command()
@click.argument("invocation_id")
@_OUTPUT
@options
def describe(invocation_id: str, output: str, where: Where) -> None:
    """Show everything that is known of one invocation, with its timeline."""
    of = parse_invocation_id(invocation_id)

    async def run() -> tuple[InvocationInfo, list[JournalEntry]]:
        async with readable(where) as source:
            return await source.info(of), await source.events(of)

    info, entries = trio.run(run)
    if output == "json":
        emit_json({"invocation": info, "events": entries})
        return
    for name, text in _facts(info):
        emit(f"{name:<12}{safe(text)}")
    emit("")
    emit_timeline(entries)


def _facts(info: InvocationInfo) -> list[tuple[str, str]]:
    facts = [
        ("id", info.id),
        ("target", f"{info.target} ({info.kind.value}, {info.mode.value})"),
        ("status", _status(info)),
        ("created", f"{when(info.created_at)} by {info.created_by}"),
        ("started", when(info.started_at)),
        ("completed", when(info.completed_at)),
        ("due", when(info.scheduled_for)),
        ("called by", "" if info.caller is None else f"{info.caller.invocation_id} at step {info.caller.step}"),
        ("key", info.idempotency_key or ""),
        ("code", info.deployment),
        ("attempts", f"{info.failed_attempts} failed" if info.failed_attempts else ""),
        ("retry", when(info.retry_at)),
        ("note", _note(info)),
        ("result", _result(info)),
        ("purged", when(info.purge_at)),
    ]
    facts += [("waits for", _wait(wait)) for wait in info.waits]
    return [(name, text) for name, text in facts if text]


def _result(info: InvocationInfo) -> str:
    if info.outcome is None or info.outcome.kind is not OutcomeKind.SUCCEEDED:
        return ""
    return show(msgspec.json.encode(info.outcome.value), limit=1000)


def _wait(wait: Any) -> str:
    until = "" if wait.until is None else f" until {when(wait.until)}"
    whose = "" if wait.invocation_id is None else f" ({wait.invocation_id})"
    tries = f", {wait.failed_attempts} tries failed" if wait.failed_attempts else ""
    return f"{wait.kind} {wait.name} at step {wait.step}{whose}, since {when(wait.since)}{until}{tries}"


def emit_timeline(entries: list[JournalEntry]) -> None:
    """A history, one line an event, with the time since its beginning."""
    start = entries[0].at if entries else 0.0
    emit_table(
        ("#", "TIME", "EVENT", "WHAT"),
        [(str(entry.number), f"+{entry.at - start:.3f}s", entry.name, entry.summary) for entry in entries],
    )


@command.command()
@click.argument("invocation_id")
@_OUTPUT
@options
def events(invocation_id: str, output: str, where: Where) -> None:
    """Show the history of one invocation."""
    of = parse_invocation_id(invocation_id)

    async def run() -> list[JournalEntry]:
        async with readable(where) as source:
            return await source.events(of)

    entries = trio.run(run)
    if output == "json":
        emit_json(entries)
    else:
        emit_timeline(entries)


@command.command()
@click.argument("invocation_id")
@click.option("--after", default=0, help="Begin behind the event of this number.")
@_OUTPUT
@options
def follow(invocation_id: str, after: int, output: str, where: Where) -> None:
    """Show the history of one invocation as it comes, until its end. As JSON: one line an event."""
    of = parse_invocation_id(invocation_id)

    async def run() -> None:
        start: float | None = None
        async with live(where) as client:
            async for entry in client.invocation(of).follow(after=after):
                start = entry.at if start is None else start
                if output == "json":
                    emit_json_line(entry)
                else:
                    emit(_timeline_line(entry, start))

    trio.run(run)


def _timeline_line(entry: JournalEntry, start: float) -> str:
    return f"{entry.number:<5} {f'+{entry.at - start:.3f}s':<10} {entry.name:<20} {safe(entry.summary)}"


def _steer(
    invocation_ids: tuple[str, ...], where: Where, act: Callable[[InvocationHandle[Any]], Awaitable[Answer]]
) -> None:
    """Do it to each; say for each what it did; the exit code says whether all could be done."""
    ids = [parse_invocation_id(text) for text in invocation_ids]

    async def run() -> list[Exception | None]:
        async with live(where) as client:
            return [await _act_on(client.invocation(of), act) for of in ids]

    errors = [error for error in trio.run(run) if error is not None]
    if errors:
        code = exit_code_of(errors[0]) if len(errors) == len(ids) else Exit.PARTIAL
        raise click.exceptions.Exit(code)


async def _act_on(
    handle: InvocationHandle[Any], act: Callable[[InvocationHandle[Any]], Awaitable[Answer]]
) -> Exception | None:
    from actors.core.errors import Refused

    try:
        answer = await act(handle)
    except (Refused, JournalError) as error:
        remark(f"{handle.id}: {error}")
        return error
    change = "changed" if answer.changed else "unchanged"
    emit(f"{handle.id}  {change}  {answer.before.value} -> {answer.after.value}")
    return None


@command.command()
@click.argument("invocation_ids", nargs=-1, required=True)
@_REASON
@click.option("--children", type=click.Choice(["called", "all"]), default="called", show_default=True)
@click.option("--kill-after", type=float, default=None, help="Seconds until it is killed if it has not ended.")
@options
def cancel(
    invocation_ids: tuple[str, ...],
    reason: str,
    children: str,
    kill_after: float | None,
    where: Where,
) -> None:
    """Stop them, with their compensations."""
    _steer(
        invocation_ids,
        where,
        lambda handle: handle.cancel(reason=reason, children=children, kill_after=kill_after),
    )


@command.command()
@click.argument("invocation_ids", nargs=-1, required=True)
@_REASON
@options
def kill(invocation_ids: tuple[str, ...], reason: str, where: Where) -> None:
    """End them now, without compensation."""
    _steer(invocation_ids, where, lambda handle: handle.kill(reason=reason))


@command.command()
@click.argument("invocation_ids", nargs=-1, required=True)
@_REASON
@click.option(
    "--mode",
    type=click.Choice(["drain", "now"]),
    default="drain",
    show_default=True,
    help="Let a running step end and record it, or abort it.",
)
@options
def pause(invocation_ids: tuple[str, ...], reason: str, mode: str, where: Where) -> None:
    """Hold them where they are."""
    _steer(
        invocation_ids,
        where,
        lambda handle: handle.pause(reason=reason, mode=mode),
    )


@command.command()
@click.argument("invocation_ids", nargs=-1, required=True)
@_REASON
@click.option(
    "--deployment",
    default="keep",
    show_default=True,
    help="The code to go on on: 'keep' their own, 'latest', or one by its id.",
)
@options
def resume(invocation_ids: tuple[str, ...], reason: str, deployment: str, where: Where) -> None:
    """Let them go on where they stopped; those that back off try again now."""
    _steer(invocation_ids, where, lambda handle: handle.resume(reason=reason, deployment=deployment))


@command.command()
@click.argument("invocation_id")
@click.argument("name")
@click.argument("value", required=False)
@options
def signal(invocation_id: str, name: str, value: str | None, where: Where) -> None:
    """Hand one a VALUE (JSON) under a NAME that it waits for, or will."""
    import sys

    from cli.targets import parse_argument

    body = parse_argument(value, sys.stdin)
    decoded = msgspec.json.decode(body) if body else None
    _steer((invocation_id,), where, lambda handle: handle.signal(name, decoded))


@command.command()
@click.argument("invocation_ids", nargs=-1, required=True)
@options
def purge(invocation_ids: tuple[str, ...], where: Where) -> None:
    """Forget the histories and results of ones that have ended."""
    _steer(invocation_ids, where, lambda handle: handle.purge())
