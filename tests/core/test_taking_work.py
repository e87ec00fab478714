"""Who is taken, who runs when, and why work is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from actors.core import commands as c
from actors.errors import (
    ConflictError,
    DeadlockError,
    LimitExceededError,
)
from actors.values.limits import Limits
from journal import events as e
from journal.events import Kind, Link, Mode, Outcome, OutcomeKind, Status, Target
from journal.ids import ROOT_STEP, StepId
from tests.core.situations import (
    AHEAD,
    BEHIND,
    CALLEE,
    CALLER,
    DATE_HAS_COME,
    DUE,
    IS_OPEN,
    IT,
    SUCCEEDED,
    Situation,
    accepted,
    completed,
    events_of,
    invoke,
    paused,
    resume,
    started,
)
from tests.core.story import KEY, SERVICE, given, given_nothing, nth

if TYPE_CHECKING:
    from journal.events import Event

RESUME = resume()
SIGNAL = c.SignalInvocation(invocation_id=IT, name="go", value=b"1")
ACCEPTED_AT = 2.0
"""In a story, each event has its number as time."""


def test_the_first_invocation_creates_its_object() -> None:
    given_nothing().when(invoke()).then(
        e.ObjectCreated(service=SERVICE, key=KEY, kind=Kind.ACTOR), accepted(), started()
    ).leaves(IT, Status.RUNNING)


def test_an_invocation_is_accepted_with_everything_that_was_said_of_it() -> None:
    chain = [Link(CALLER.invocation_id, "Bank/alice/deposit", True)]
    asked = invoke(argument=b"7", caller=CALLER, chain=chain, request="r", atomic=True)
    given().when(asked).then(accepted(argument=b"7", caller=CALLER, chain=chain, request="r", atomic=True), started())


def test_a_message_takes_the_place_of_the_one_under_its_key_within_the_time_of_the_first() -> None:
    """Its date counts, at most ``max_delay`` after the acceptance of the first, which later ones remember."""
    first = {"scheduled_for": DUE, "debounce": "k"}
    asked = invoke(
        invocation_id=BEHIND, argument=b"7", scheduled_for=DUE + 60, debounce="k", max_delay=DUE + 9 - ACCEPTED_AT
    )
    reason = f"{BEHIND} was sent under the same debounce key"
    restarted = e.InvocationRestarted(
        invocation_id=IT, successor=BEHIND, step=ROOT_STEP, reason=reason, hands_over=True, debounced=True
    )
    given(accepted(**first)).when(asked).then(
        accepted(BEHIND, argument=b"7", scheduled_for=DUE + 9, debounce="k", debounced_since=ACCEPTED_AT),
        restarted,
        completed(IT, Outcome(OutcomeKind.CANCELLED, reason=reason)),
    ).leaves(BEHIND, Status.SCHEDULED)
    for left in (accepted(**first, handler="close"), accepted(scheduled_for=DUE, debounce="other"), accepted()):
        given(left).when(asked).then(accepted(BEHIND, argument=b"7", scheduled_for=DUE + 60, debounce="k"))


@pytest.mark.parametrize(
    ("before", "mode", "at_once"),
    [
        ([], Mode.EXCLUSIVE, True),
        ([accepted(AHEAD), started(AHEAD)], Mode.EXCLUSIVE, False),
        ([accepted(AHEAD), started(AHEAD)], Mode.SHARED, True),
        ([accepted(AHEAD, mode=Mode.SHARED), started(AHEAD)], Mode.EXCLUSIVE, True),
        ([accepted(AHEAD, scheduled_for=DUE)], Mode.EXCLUSIVE, True),
        (
            [accepted(AHEAD, scheduled_for=DUE), paused(of=AHEAD), e.InvocationDue(invocation_id=AHEAD)],
            Mode.EXCLUSIVE,
            False,
        ),
        ([accepted(AHEAD), started(AHEAD), paused(of=AHEAD)], Mode.EXCLUSIVE, False),
    ],
    ids=["free", "held", "shared", "a reader runs", "another is scheduled", "the head is held", "the holder is held"],
)
def test_it_starts_at_once_if_the_object_is_free_or_it_only_reads(
    before: list[Event], mode: Mode, at_once: bool
) -> None:
    begins = [started()] if at_once else []
    given(*before).when(invoke(mode=mode)).then(accepted(mode=mode), *begins)
    given(*before, accepted(mode=mode, scheduled_for=DUE)).when(c.StartDue(invocation_id=IT)).then(
        DATE_HAS_COME, *begins
    )


def test_what_is_scheduled_waits_for_its_date_also_where_the_object_is_free() -> None:
    given().when(invoke(scheduled_for=DUE)).then(accepted(scheduled_for=DUE)).leaves(IT, Status.SCHEDULED)


def test_when_the_holder_ends_the_one_that_has_waited_longest_starts() -> None:
    (
        given(accepted(AHEAD), started(AHEAD), accepted(IT), accepted(BEHIND))
        .when(c.FinishAttempt(invocation_id=AHEAD, events=[], outcome=SUCCEEDED))
        .then(completed(AHEAD), started(IT))
        .when(c.FinishAttempt(invocation_id=IT, events=[], outcome=SUCCEEDED))
        .then(completed(IT), started(BEHIND))
    )


def test_nobody_passes_one_that_is_held_in_the_queue() -> None:
    (
        given(accepted(AHEAD), started(AHEAD), accepted(IT), accepted(BEHIND), paused())
        .when(c.FinishAttempt(invocation_id=AHEAD, events=[], outcome=SUCCEEDED))
        .then(completed(AHEAD))
        .leaves(BEHIND, Status.QUEUED)
        .when(RESUME)
        .then(e.InvocationResumed(invocation_id=IT, reason="why"), started(IT))
    )


def test_the_end_of_a_reader_starts_nobody_while_the_object_is_held() -> None:
    (
        given(accepted(AHEAD), started(AHEAD), accepted(IT, mode=Mode.SHARED), started(IT), accepted(BEHIND))
        .when(c.FinishAttempt(invocation_id=IT, events=[], outcome=SUCCEEDED))
        .then(completed())
        .leaves(BEHIND, Status.QUEUED)
    )


def test_the_last_facts_of_a_handler_stand_before_its_end() -> None:
    wrote = e.FieldsChanged(invocation_id=IT, fields={"open": b"true"})
    (
        given(accepted(), started())
        .when(c.FinishAttempt(invocation_id=IT, events=[wrote], outcome=SUCCEEDED))
        .then(wrote, completed())
    )


# Why work is not taken.


def test_a_full_mailbox_refuses_what_must_wait_and_takes_what_need_not() -> None:
    full: list[Event] = [accepted(AHEAD), started(AHEAD), accepted(nth(10)), accepted(nth(11))]
    story = given(*full, limits=Limits(mailbox=2))
    story.when(invoke()).then_refused(LimitExceededError, limit="mailbox", code="busy", maximum=2, found=2)
    story.when(invoke(mode=Mode.SHARED)).then(accepted(mode=Mode.SHARED), started())
    given(*full[:-1], limits=Limits(mailbox=2)).when(invoke()).then(accepted())


def test_calls_within_calls_go_as_deep_as_the_limit_and_no_deeper() -> None:
    link = Link(CALLER.invocation_id, "Bank/alice/deposit", False)
    story = given(limits=Limits(call_depth=2))
    story.when(invoke(chain=[link] * 3)).then_refused(LimitExceededError, limit="call_depth", maximum=2, found=3)
    story.when(invoke(chain=[link] * 2)).then(accepted(chain=[link] * 2), started())


def test_a_call_that_would_wait_for_its_own_chain_is_refused_and_names_the_chain() -> None:
    chain = [
        Link(CALLEE, "Bank/alice/deposit", True),
        Link(AHEAD, "Door/front/open", True),
        Link(CALLER.invocation_id, "Bank/bob/deposit", True),
    ]
    call = invoke(caller=CALLER, chain=chain)
    story = given(accepted(AHEAD), started(AHEAD))
    named_chain = "Bank/bob/deposit → Door/front/open → Door/front/open → Bank/bob/deposit"
    story.when(call).then_refused(DeadlockError, named_chain)


@pytest.mark.parametrize("why", ["send", "reader", "another holds it", "nobody holds it", "its link only reads"])
def test_what_only_looks_like_a_deadlock_is_taken(why: str) -> None:
    chain = [Link(AHEAD, "Door/front/open", why != "its link only reads")]
    if why == "another holds it":
        chain = [Link(BEHIND, "Door/front/open", True)]
    call = invoke(
        caller=None if why == "send" else CALLER,
        chain=chain,
        mode=Mode.SHARED if why == "reader" else Mode.EXCLUSIVE,
    )
    ahead: list[Event] = [] if why == "nobody holds it" else [accepted(AHEAD), started(AHEAD)]
    assert given(*ahead).when(call).events[0] == accepted(mode=call.mode, caller=call.asked.caller, chain=chain)


def test_two_objects_with_one_number_are_told_apart() -> None:
    (
        given(accepted(AHEAD))
        .when(invoke(target=Target(SERVICE, "back", "open")))
        .then_refused(ConflictError, code="key_collision")
    )


@pytest.mark.parametrize("situation", IS_OPEN, ids=lambda value: getattr(value, "name", None))
@pytest.mark.parametrize("request_key", [None, "r"])
def test_asking_again_finds_the_same_invocation(situation: Situation, request_key: str | None) -> None:
    history = [
        attrs.evolve(event, request=request_key, argument=b"7")
        if isinstance(event, e.InvocationAccepted) and event.invocation_id == IT
        else event
        for event in events_of(situation)
    ]
    again = invoke(request=request_key, argument=b"7")
    given(*history).when(again).then_nothing()
    if request_key is not None:
        other = invoke(request=request_key, argument=b"8")
        given(*history).when(other).then_refused(ConflictError, code="idempotency_conflict")


def test_signals_that_nobody_asks_for_have_a_limit() -> None:
    story = given(*events_of(Situation.SUSPENDED), limits=Limits(signals=2))
    taken = e.SignalReceived(invocation_id=IT, name="go", value=b"1", signal=1, step=StepId("1"))
    story.when(SIGNAL).then(taken)
    for name in "ab":
        assert story.when(c.SignalInvocation(invocation_id=IT, name=name, value=b"1")).events
    story.when(SIGNAL).then_refused(LimitExceededError, limit="signals", code="busy", found=2)
