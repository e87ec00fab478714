"""The history of an invocation for people and programs: each event with its fields as JSON, and in one line."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import attrs

from actors.core import commands as c
from actors.core.requests import describe, is_request
from actors.core.restart_points import in_words
from actors.model.info import plain
from actors.values.amounts import grouped
from actors.values.texts import failure_in_words
from journal import events as e
from journal.errors import CorruptRecord
from journal.events import Outcome, Recorded
from journal.ids import StepId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@attrs.frozen(kw_only=True)
class JournalEntry:
    """One event of an invocation: its number in its object's log, its time, requester and cause, and a line of text.

    ``details`` are the fields of the event, with user values as JSON. For a verb that a handler requested, ``argument`` has the
    options by name.
    """

    number: int
    at: float
    by: str
    cause: str
    name: str
    summary: str
    details: dict[str, Any]


def entry_of(recorded: Recorded) -> JournalEntry:
    """Convert an event to its public form."""
    event = recorded.event
    return JournalEntry(
        number=recorded.number,
        at=recorded.stamp.at,
        by=recorded.stamp.by,
        cause=recorded.stamp.cause,
        name=type(event).__name__,
        summary=summary_of(event),
        details=_details_of(event),
    )


def _details_of(event: Any) -> dict[str, Any]:
    details = {field.name: plain(getattr(event, field.name)) for field in attrs.fields(type(event))}
    if isinstance(event, e.VerbScheduled):
        # A damaged value is shown as its raw bytes, so that the rest of the history can be read.
        with contextlib.suppress(CorruptRecord):
            details["argument"] = plain(c.verb_options(event.verb, event.argument))
    return details


def summary_of(event: Any) -> str:
    """Describe the event in one line."""
    say = _SUMMARIES.get(event.__class__)
    if say is not None:
        return say(event)
    return describe(event) if is_request(event) else type(event).__name__


def _accepted(event: e.InvocationAccepted) -> str:
    until = "" if event.scheduled_for is None else " for later"
    budget = "" if event.budget is None else f", with a budget of {_amounts(event.budget)}"
    return f"{event.handler} accepted{until} with {show(event.argument)}{budget}"


def _step(event: e.StepScheduled) -> str:
    if not event.argument_bytes:
        return describe(event)
    return f"{describe(event)}, its arguments ({event.argument_bytes} bytes) are too large to be stored"


def _restarted(event: e.InvocationRestarted) -> str:
    if event.debounced:
        return f"replaced by {event.successor}, which was sent later under the same debounce key"
    return f"restarted from {in_words(event.step)} as {event.successor}{_because(event.reason)}"


def _answered(event: e.VerbAnswered) -> str:
    if event.answer is None:
        why = "" if event.refusal is None else f": {failure_in_words(event.refusal)}"
        return f"the verb at step {event.step} was refused{why}"
    change = "changed it" if event.answer.changed else "changed nothing"
    return f"the verb at step {event.step}  {change}: {event.answer.before.value} to {event.answer.after.value}"


def show(value: bytes, limit: int = 80) -> str:
    """Return the JSON, shortened to fit a line."""
    text = value.decode(errors="replace") or "nothing"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _spent(event: e.QuantitiesSpent) -> str:
    amounts = _amounts(event.spent)
    return f"step {event.step} spent {amounts}" if event.step else f"spent {amounts}"


def _amounts(amounts: Mapping[str, str]) -> str:
    return ", ".join(f"{grouped(amount)} {name}" for name, amount in amounts.items())


def _used_up(event: e.BudgetUsedUp) -> str:
    over = event.over
    return f"budget used up, {grouped(over.spent)} of {grouped(over.budget)} {over.quantity} are spent: {event.paused} was paused"


def _signal(event: e.SignalReceived) -> str:
    taken = "is received again once the restart has begun" if event.deferred else _taken_by(event.step)
    given = show(event.value) if event.error is None else f"error {event.error!r}"
    return f"signal {event.name!r}: {given}, {taken}"


def _taken_by(step: StepId | None) -> str:
    return "kept until a wait takes it" if step is None else f"taken by the wait at step {step}"


def _outcome(outcome: Outcome) -> str:
    if outcome.reason or outcome.failure is not None:
        failure = "" if outcome.failure is None else f": {failure_in_words(outcome.failure)}"
        return f"{outcome.kind.value}{_because(outcome.reason)}{failure}"
    return f"{outcome.kind.value} with {show(outcome.value)}"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


_SUMMARIES: dict[type, Callable[[Any], str]] = {
    e.InvocationAccepted: _accepted,
    e.InvocationDue: lambda _: "scheduled time reached",
    e.InvocationRescheduled: lambda event: f"its time was moved{_because(event.reason)}",
    e.InvocationStarted: lambda _: "started",
    e.StepScheduled: _step,
    e.StepCompleted: lambda event: f"step {event.step} {_outcome(event.outcome)}",
    e.StepAborted: lambda event: f"step {event.step} stopped, with no outcome",
    e.StepAttemptFailed: lambda event: f"step {event.step}, try {event.attempt}: {failure_in_words(event.failure)}",
    e.StepRetried: lambda event: f"step {event.step} is retried",
    e.TimerFired: lambda event: f"the timer at step {event.step} fired",
    e.CallCompleted: lambda event: f"the call at step {event.step} {_outcome(event.outcome)}",
    e.CallTransferred: lambda event: f"the call at step {event.step} is answered by {event.callee}",
    e.StepHeartbeat: lambda event: f"step {event.step} reports {show(event.details)}",
    e.StatusTextChanged: lambda event: f"says {event.text!r}",
    e.QuantitiesSpent: _spent,
    e.BudgetRaised: lambda event: f"budget raised by {_amounts(event.more)}{_because(event.reason)}",
    e.BudgetUsedUp: _used_up,
    e.SignalReceived: _signal,
    e.SignalReassigned: lambda event: f"signal {event.name!r} is {_taken_by(event.step)}",
    e.UpdateAccepted: lambda event: (
        f"update {event.number}, {event.name} with {show(event.argument)}, for {event.update}"
    ),
    e.UpdateCancelRequested: lambda event: f"cancel of update {event.update} requested{_because(event.reason)}",
    e.UpdateCompleted: lambda event: f"update {event.update} {_outcome(event.outcome)}",
    e.VerbAnswered: _answered,
    e.ReadsPinned: lambda _: "the fields it has read are recorded for its replay",
    e.ItemsPinned: lambda _: "the fields it has read are recorded for its replay",
    e.FieldsInitialized: lambda event: f"first values of {', '.join(event.fields)}",
    e.LogConverted: lambda event: f"{event.field} is a Log from now on; its {len(event.items)} items were a list",
    e.MapConverted: lambda event: (
        f"{event.field} is a Map from now on; its {len(event.items)} items came from a dictionary"
    ),
    e.AttemptFailed: lambda event: f"attempt {event.attempt}: {failure_in_words(event.failure)}",
    e.AttemptRetried: lambda _: "the handler is retried",
    e.InvocationSuspended: lambda _: "left memory",
    e.CancelRequested: lambda event: f"cancel requested{_because(event.reason)}",
    e.CancelDeadlineMoved: lambda event: f"kill moved to an earlier time{_because(event.reason)}",
    e.CancelDeliveredEarlier: lambda _: (
        "it returned before its cancel was delivered; its last turn is undone and the cancel is delivered before it"
    ),
    e.PauseRequested: lambda event: f"pause requested, once its steps have ended{_because(event.reason)}",
    e.InvocationPaused: lambda event: f"paused ({event.cause.value}){_because(event.reason)}",
    e.InvocationResumed: lambda event: f"resumed{_because(event.reason)}",
    e.InvocationMoved: lambda event: f"moved to {event.deployment or 'what is served'}",
    e.AttachRequested: lambda event: f"{event.by.invocation_id} waits for its end",
    e.AttachDropped: lambda event: f"{event.by.invocation_id} no longer waits for its end",
    e.InvocationCompleted: lambda event: _outcome(event.outcome),
    e.InvocationRestarted: _restarted,
    e.CallsDetached: lambda _: "its calls with an idempotency key continue, for the invocation that repeats it",
    e.HistoryCopied: lambda _: "events above were copied from the restarted invocation; execution continues here",
    e.FieldsRewound: lambda event: f"fields rewound: {', '.join(event.fields) or 'none'}",
}
"""The texts of events; ``describe`` has those of requests that a handler makes by itself."""
