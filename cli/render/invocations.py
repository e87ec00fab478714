"""An invocation and its timeline as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from actors.core.restart_points import in_words
from actors.model.history import show
from actors.model.tags import pairs_of_tags
from actors.values.amounts import grouped
from actors.values.texts import failure_in_words
from cli.render.output import safe, until_in_words, when
from cli.render.tables import note_of, status_of
from cli.render.text_table import TextColumn, TextTable, facts_lines
from cli.targets import written_target
from journal.events import OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from actors.model.history import JournalEntry
    from actors.model.info import InvocationInfo


def invocation_lines(info: InvocationInfo, entries: list[JournalEntry], locks: Sequence[str] = ()) -> Iterator[str]:
    """Yield the facts about an invocation, with its timeline and its last error. ``locks`` are those that it has."""
    yield from facts_lines([*_facts(info), *(("holds", f"lock {lock}") for lock in locks)])
    yield ""
    yield from timeline_lines(entries)
    yield from _error_lines(info)


def _error_lines(info: InvocationInfo) -> Iterator[str]:
    """Yield the error of the outcome or, while the invocation is open, of its last failed try."""
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
        ("expires", when(info.expires_at) if info.completed_at is None else ""),
        ("called by", "" if info.caller is None else f"{info.caller.invocation_id} at step {info.caller.step}"),
        ("key", info.idempotency_key or ""),
        ("tags", ", ".join(pairs_of_tags(info.tags))),
        ("code", info.deployment),
        ("attempts", f"{info.failed_attempts} failed" if info.failed_attempts else ""),
        ("retry", when(info.retry_at)),
        ("says", info.status_text),
        ("spent", ", ".join(f"{grouped(amount)} {name}" for name, amount in info.spent.items())),
        ("budget", ", ".join(budget_lines(info.budget, info.budget_spent))),
        ("note", note_of(info)),
        ("result", _result(info)),
        ("purged", when(info.purge_at)),
        ("repeats", _lineage(info)),
        ("repeated by", ", ".join(info.successors)),
    ]
    return facts + [("waits for", _wait(wait)) for wait in info.waits]


def budget_lines(budget: Mapping[str, str] | None, spent: Mapping[str, str]) -> list[str]:
    """Say how much of each quantity of a budget is spent."""
    return [
        f"{grouped(spent.get(name, '0'))} of {grouped(amount)} {name} spent" for name, amount in (budget or {}).items()
    ]


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
    """Format a history, one line per event, with the time since the beginning and the duration of the operation that
    the event ends.
    """
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
    """Return the duration in seconds, retries included, for each event that ends an operation."""
    begun: dict[str | None, float] = {}
    took: dict[int, float] = {}
    for entry in entries:
        step = entry.details.get("step")  # events without a step belong to the invocation itself
        if entry.name in _BEGINNINGS:
            begun[step] = entry.at
        elif entry.name in _ENDS and step in begun:
            took[entry.number] = entry.at - begun[step]
    return took


def timeline_line(entry: JournalEntry, start: float) -> str:
    """Format one event as it arrives."""
    return f"{entry.number:<5} {f'+{entry.at - start:.3f}s':<10} {entry.name:<20} {safe(entry.summary)}"
