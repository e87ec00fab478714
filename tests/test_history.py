"""Every event of a history can be read, by people and by programs, whatever was recorded in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import attrs
import msgspec
import pytest

from actors.core import commands as c
from actors.http.models import EventList
from actors.model.history import JournalEntry, entry_of
from actors.query.sql.histories import HISTORIES
from cli.render.invocations import timeline_lines
from journal import events as e
from journal.events import Children, Event, Recorded, Stop, Verb
from tests.journal.samples import EVENTS, INVOCATION, OTHER, STAMP, STEP

if TYPE_CHECKING:
    from actors.query.snapshot import JournalSnapshot

VERBS: list[c.Command] = [
    c.CancelInvocation(invocation_id=OTHER, reason="late", children=Children.ALL, kill_after=3.0),
    c.KillInvocation(invocation_id=OTHER, reason="stuck"),
    c.PauseInvocation(invocation_id=OTHER, reason="look"),
    c.ResumeInvocation(invocation_id=OTHER, reason="seen", deployment="latest"),
    c.SignalInvocation(invocation_id=OTHER, name="approval", value=b'{"by": "anna"}'),
    c.RescheduleInvocation(invocation_id=OTHER, reason="earlier", delay=3.0),
    c.PurgeInvocations(invocation_ids=[OTHER]),
    c.RestartInvocation(invocation_id=OTHER, successor=INVOCATION, reason="fixed", argument=b"[1]", stop=Stop.KILL),
]

OPTIONS = {
    Verb.CANCEL: {"reason": "late", "children": "all", "kill_after": 3.0},
    Verb.KILL: {"reason": "stuck"},
    Verb.PAUSE: {"reason": "look", "mode": "drain"},
    Verb.RESUME: {"reason": "seen", "deployment": "latest"},
    Verb.SIGNAL: {"name": "approval", "value": {"by": "anna"}},
    Verb.RESCHEDULE: {"reason": "earlier", "delay": 3.0},
    Verb.PURGE: {"invocation_ids": [OTHER]},
    Verb.RESTART: {"successor": INVOCATION, "reason": "fixed", "argument": [1], "stop": "kill", "dry_run": False},
}


NO_SNAPSHOT = cast("JournalSnapshot", None)
"""The columns of a history need nothing besides the event."""


def scheduled(command: c.Command) -> e.VerbScheduled:
    verb = c.VERB_OF_COMMAND[type(command)]
    return e.VerbScheduled(invocation_id=INVOCATION, step=STEP, verb=verb, of=OTHER, argument=c.encode_verb(command))


def read(event: Event) -> JournalEntry:
    return entry_of(Recorded(7, STAMP, event))


@pytest.mark.parametrize("event", [*EVENTS, *map(scheduled, VERBS)], ids=lambda event: type(event).__name__)
def test_every_reader_can_read_every_event(event: Event) -> None:
    entry = read(event)
    page = EventList(events=[entry], last=7, is_over=True)
    assert msgspec.json.decode(msgspec.json.encode(page), type=EventList) == page
    assert len([*timeline_lines([entry], is_wide=True)]) == 2
    row = {column.name: column.value(Recorded(7, STAMP, event), NO_SNAPSHOT) for column in HISTORIES.columns}
    assert msgspec.json.decode(str(row["details"])) == entry.details


@pytest.mark.parametrize("command", VERBS, ids=lambda command: type(command).__name__)
def test_a_verb_is_shown_with_the_options_that_it_was_asked_with(command: c.Command) -> None:
    shown = read(scheduled(command)).details["argument"]
    assert shown.items() >= OPTIONS[c.VERB_OF_COMMAND[type(command)]].items()
    assert not shown.keys() & {"reply_to", "original"}


def test_a_value_that_cannot_be_read_hides_nothing_else() -> None:
    damaged = attrs.evolve(scheduled(VERBS[0]), argument=b"\xc1\xff")
    assert read(damaged).details.items() >= {"of": OTHER, "argument": "\\xc1\\xff"}.items()
    assert read(e.SignalReceived(invocation_id=INVOCATION, name="go", value=b"\xff")).details["value"] == "\\xff"
