"""What is looked up by class is there for every class."""

from __future__ import annotations

from typing import get_args

from actors.core import commands as c
from actors.core.effects import Effect
from actors.engine import dispatcher, executor, machine
from actors.engine.requests import AuditOnly, AwaitOutcome, DeleteObject, Describe
from actors.model import history
from journal.events import EVENT_TYPES
from tests.journal.samples import EVENTS


def test_every_effect_has_its_deed() -> None:
    assert set(machine._DEEDS) | set(executor._DEEDS) == set(get_args(Effect))
    assert set(machine._DEEDS) & set(executor._DEEDS) == set()


def test_what_the_reception_takes_in_is_a_command_or_a_question() -> None:
    questions: set[type] = {AwaitOutcome, Describe, AuditOnly, DeleteObject}
    assert set(dispatcher._TAKEN) <= {*get_args(c.Command), *questions}
    assert questions <= set(dispatcher._TAKEN)


def test_of_every_event_of_an_invocation_something_is_said_that_is_more_than_its_name() -> None:
    of_invocations = [event for event in EVENTS if hasattr(event, "invocation_id")]
    assert [event for event in of_invocations if type(event).__name__ in history.summary_of(event)] == []
    assert {type(event) for event in EVENTS} == {*EVENT_TYPES} >= set(history._SUMMARIES)
