"""Invocations, as they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import click
import msgspec
import trio

from actors.core.restart_plan import in_words
from actors.model.history import show
from actors.values.texts import failure_in_words
from cli.listing import TextColumn, TextTable, facts_lines
from cli.output import emit, emit_json, emit_json_line, remark, safe, until_in_words, when
from cli.selecting import refuse_unknown, resolved, select
from cli.source import live, readable
from cli.tables import INVOCATIONS, note_of, status_of
from cli.targets import written_target
from cli.watching import check_watchable, watch
from journal.events import OutcomeKind, Status
from journal.ids import parse_invocation_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from actors.model.history import JournalEntry
    from actors.model.info import InvocationInfo
    from actors.model.listing import Listing
    from cli.at_rest import AtRest
    from cli.source import Live, Where
    from cli.targets import NamedTarget


def show_all(named: NamedTarget | None, listing: Listing, where: Where, output: str, *, is_watched: bool) -> None:
    """List them, newest first."""
    if is_watched:
        check_watchable(output)

    async def run() -> list[InvocationInfo]:
        async with readable(where) as source:
            wanted = listing
            if named is not None:
                service, key, handler = await resolved(source, named)
                wanted = attrs.evolve(listing, service=service, key=key, handler=handler)
            if is_watched:
                await _watch_listing(source, wanted, is_wide=output == "wide")
            found = await source.find(wanted)
            if named is not None and not found:
                await refuse_unknown(source, named)
            return found

    found = trio.run(run)
    INVOCATIONS.show(found, output)
    if len(found) == listing.limit:
        remark(
            f"the newest {listing.limit}; there may be more: --limit shows more, --status, --where and SELECTION narrow it"
        )


async def _watch_listing(source: Live | AtRest, listing: Listing, *, is_wide: bool) -> None:
    """Show them again and again."""

    async def look() -> tuple[Iterable[str], bool]:
        return INVOCATIONS.lines(await source.find(listing), is_wide=is_wide), False

    await watch(look)


def describe(invocation_id: str, where: Where, output: str, *, is_watched: bool) -> None:
    """Show everything that is known of one, with its timeline."""
    of = parse_invocation_id(invocation_id)
    if is_watched:
        check_watchable(output)

    async def run() -> None:
        async with readable(where) as source:

            async def look() -> tuple[Iterable[str], bool]:
                info = await source.info(of)
                return _description(info, await source.events(of)), info.status is Status.COMPLETED

            if is_watched:
                await watch(look)
            elif output == "json":
                emit_json({"invocation": await source.info(of), "events": await source.events(of)})
            else:
                for line in (await look())[0]:
                    emit(line)

    trio.run(run)


def _description(info: InvocationInfo, entries: list[JournalEntry]) -> Iterator[str]:
    yield from facts_lines(_facts(info))
    yield ""
    yield from timeline_lines(entries)
    yield from _error_lines(info)


def _error_lines(info: InvocationInfo) -> Iterator[str]:
    """What it failed with, or, while it has not ended, what one of its tries failed with last."""
    failure = info.last_failure if info.outcome is None else info.outcome.failure
    if failure is None:
        return
    yield ""
    yield "error" if info.outcome is not None else "last error"
    text = failure.traceback or failure_in_words(failure)
    yield from (f"  {safe(line)}" for line in text.rstrip().splitlines())


def _facts(info: InvocationInfo) -> list[tuple[str, str]]:
    facts = [
        ("id", info.id),
        ("target", f"{written_target(info.target)} ({info.kind.value}, {info.mode.value})"),
        ("status", status_of(info)),
        ("created", f"{when(info.created_at)} by {info.created_by}"),
        ("started", when(info.started_at)),
        ("completed", when(info.completed_at)),
        ("due", when(info.scheduled_for)),
        ("called by", "" if info.caller is None else f"{info.caller.invocation_id} at step {info.caller.step}"),
        ("key", info.idempotency_key or ""),
        ("code", info.deployment),
        ("attempts", f"{info.failed_attempts} failed" if info.failed_attempts else ""),
        ("retry", when(info.retry_at)),
        ("note", note_of(info)),
        ("result", _result(info)),
        ("purged", when(info.purge_at)),
        ("repeats", _lineage(info)),
        ("repeated by", ", ".join(info.successors)),
    ]
    return facts + [("waits for", _wait(wait)) for wait in info.waits]


def _lineage(info: InvocationInfo) -> str:
    if info.restarts is None:
        return ""
    return f"{info.restarts.invocation_id} from {in_words(info.restarts.step)}"


def _result(info: InvocationInfo) -> str:
    if info.outcome is None or info.outcome.kind is not OutcomeKind.SUCCEEDED:
        return ""
    return show(msgspec.json.encode(info.outcome.value), limit=1000)


def _wait(wait: Any) -> str:
    until = "" if wait.until is None else f" {until_in_words(wait.until)}"
    whose = "" if wait.invocation_id is None else f" ({wait.invocation_id})"
    tries = f", {wait.failed_attempts} tries failed" if wait.failed_attempts else ""
    return f"{wait.kind} {wait.name} at step {wait.step}{whose}, since {when(wait.since)}{until}{tries}"


def timeline_lines(entries: list[JournalEntry], *, is_wide: bool = False) -> Iterator[str]:
    """A history, one line an event, with the time since its beginning, and how long took what ends there."""
    start = entries[0].at if entries else 0.0
    took = _durations(entries)
    table: TextTable[JournalEntry] = TextTable(
        id_of=lambda entry: str(entry.number),
        columns=(
            TextColumn("#", lambda entry: str(entry.number)),
            TextColumn("TIME", lambda entry: f"+{entry.at - start:.3f}s"),
            TextColumn("TOOK", lambda entry: f"{took[entry.number]:.3f}s" if entry.number in took else ""),
            TextColumn("BY", lambda entry: entry.by, is_wide=True),
            TextColumn("EVENT", lambda entry: entry.name),
            TextColumn("WHAT", lambda entry: entry.summary),
        ),
    )
    return table.lines(entries, is_wide=is_wide)


_BEGINNINGS = frozenset(
    (
        "InvocationStarted",
        "StepScheduled",
        "SleepScheduled",
        "DeadlineScheduled",
        "CallScheduled",
        "AttachScheduled",
        "VerbScheduled",
    )
)
_ENDS = frozenset(
    ("InvocationCompleted", "StepCompleted", "TimerFired", "CallCompleted", "VerbAnswered", "WaitDropped")
)


def _durations(entries: list[JournalEntry]) -> dict[int, float]:
    """By the number of an event that ends something: the seconds since that began, with everything that was tried."""
    begun: dict[str | None, float] = {}
    took: dict[int, float] = {}
    for entry in entries:
        step = entry.details.get("step")  # what belongs to no step is the invocation's own
        if entry.name in _BEGINNINGS:
            begun[step] = entry.at
        elif entry.name in _ENDS and step in begun:
            took[entry.number] = entry.at - begun[step]
    return took


def show_events(invocation_id: str, where: Where, output: str) -> None:
    """Show its history."""
    of = parse_invocation_id(invocation_id)

    async def run() -> list[JournalEntry]:
        async with readable(where) as source:
            return await source.events(of)

    entries = trio.run(run)
    match output:
        case "json":
            emit_json(entries)
        case "jsonl":
            for entry in entries:
                emit_json_line(entry)
        case _:
            for line in timeline_lines(entries, is_wide=output == "wide"):
                emit(line)


def follow(invocation_id: str, after: int, where: Where, output: str) -> None:
    """Show its history as it comes."""
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


def export(which: tuple[str, ...], where: Where) -> None:
    """Write whole histories as JSON lines."""
    selected = select(which, None, None)
    if not selected.is_by_ids:
        raise click.UsageError("name them by their ids; 'playhead invocations list -o id' gives the ids of a selection")

    async def run() -> None:
        async with readable(where) as source:
            for of in selected.ids:
                emit_json_line({"kind": "invocation", "id": of, "invocation": await source.info(of)})
                for entry in await source.events(of):
                    emit_json_line({"kind": "event", "id": of, "event": entry})

    trio.run(run)
