"""An object is folded from stored events only if they can follow each other; every other stream is damaged, also under -O."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from actors.core.fold import fold
from actors.core.snapshots import decode_snapshot, encode_snapshot
from journal import events as e
from journal.errors import Damaged
from journal.events import Event, Outcome, OutcomeKind, Recorded
from journal.stored_stream import StoredStream
from tests.core.situations import (
    AHEAD,
    CANCEL_REQUESTED,
    IT,
    SIGNAL_AWAITED,
    STEP,
    STEP_SCHEDULED,
    SUCCEEDED,
    accepted,
    completed,
    started,
)
from tests.core.story import CREATED, STREAM, stamp_of
from tests.core.story import fold as fold_events

ILLEGAL: dict[str, list[Event]] = {
    "no event": [],
    "no beginning": [accepted()],
    "two beginnings": [CREATED, CREATED],
    "accepted twice": [CREATED, accepted(), accepted()],
    "waiting while queued": [CREATED, accepted(), SIGNAL_AWAITED],
    "started before the one ahead": [CREATED, accepted(AHEAD), accepted(), started()],
    "started twice": [CREATED, accepted(), started(), started()],
    "started while another runs": [CREATED, accepted(AHEAD), started(AHEAD), accepted(), started()],
    "of one that never was": [CREATED, started()],
    "ended twice": [CREATED, accepted(), started(), completed(), completed()],
    "failed without a failure": [CREATED, accepted(), started(), completed(outcome=Outcome(OutcomeKind.FAILED))],
    "a step ends that never began": [
        CREATED,
        accepted(),
        started(),
        e.StepCompleted(invocation_id=IT, step=STEP, outcome=SUCCEEDED),
    ],
    "hastened without a cancel": [
        CREATED,
        accepted(),
        started(),
        e.CancelDeadlineMoved(invocation_id=IT, kill_at=5.0, reason=""),
    ],
    "more patience than before": [
        CREATED,
        accepted(),
        started(),
        attrs.evolve(CANCEL_REQUESTED, kill_at=5.0),
        e.CancelDeadlineMoved(invocation_id=IT, kill_at=6.0, reason=""),
    ],
    "a successor that was not accepted": [
        CREATED,
        accepted(),
        started(),
        e.InvocationRestarted(invocation_id=IT, successor=AHEAD, step=STEP, reason="", hands_over=True),
    ],
}


def stored(events: list[Event], *, snapshot: bytes | None = None, at: int = 0) -> StoredStream:
    recorded = [Recorded(number, stamp_of(number), event) for number, event in enumerate(events, at + 1)]
    return StoredStream(at + len(events), 0, at, snapshot, recorded)


@pytest.mark.parametrize("which", ILLEGAL)
def test_events_that_cannot_follow_each_other_are_damage(which: str) -> None:
    with pytest.raises(Damaged) as damage:
        fold(STREAM, stored(ILLEGAL[which]))
    assert damage.value.stream == STREAM
    assert damage.value.number == len(ILLEGAL[which])


def test_a_hole_in_the_numbers_is_damage() -> None:
    whole = stored([CREATED, accepted(), started()])
    del whole.events[1]
    with pytest.raises(Damaged):
        fold(STREAM, whole)


def snapshot_with(**changes: Any) -> bytes:
    state = fold_events(None, [CREATED, accepted(), started(), STEP_SCHEDULED, SIGNAL_AWAITED])
    assert state is not None
    for name, value in changes.items():
        setattr(state, name, value)
    return encode_snapshot(state)


@pytest.mark.parametrize(
    "changes",
    [{"version": 4}, {"queue": [AHEAD]}, {"holder": AHEAD}, {"invocations": {}}],
    ids=lambda change: next(iter(change)),
)
def test_a_snapshot_that_contradicts_itself_is_damage(changes: dict[str, Any]) -> None:
    assert decode_snapshot(STREAM, 5, snapshot_with()).version == 5
    with pytest.raises(Damaged):
        decode_snapshot(STREAM, 5, snapshot_with(**changes))


def test_a_snapshot_of_an_invocation_without_events_is_damage() -> None:
    state = decode_snapshot(STREAM, 5, snapshot_with())
    state.invocations[IT].spans = []
    with pytest.raises(Damaged):
        decode_snapshot(STREAM, 5, encode_snapshot(state))
