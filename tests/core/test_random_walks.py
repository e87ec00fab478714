"""Whatever is asked of an object, in whatever order: it stays whole."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.core.transitions import LEGAL
from journal import events as e
from tests.core.walk import MOVES, OFTEN, Stride, Walker

strides = st.lists(st.tuples(st.sampled_from(OFTEN), st.integers(0, 5), st.integers(0, 67)), min_size=10, max_size=80)


@settings(max_examples=150, deadline=None)
@given(strides)
def test_whatever_is_asked_in_whatever_order_the_object_stays_whole(way: list[Stride]) -> None:
    Walker().walk(way)


def test_long_walks_lead_everywhere_that_is_legal_and_the_object_stays_whole() -> None:
    reached: set[tuple[type, object]] = set()
    for seed in range(250):
        random = Random(seed)
        walker = Walker()
        walker.walk((random.choice(OFTEN), random.randrange(6), random.randrange(85)) for _ in range(200))
        reached |= walker.reached
    of_updates = {e.UpdateAccepted, e.UpdateCancelRequested, e.UpdateCompleted}  # of workflows alone
    is_written = LEGAL.keys() - {e.InvocationSuspended} - of_updates
    legal = {(kind, status) for kind in is_written for status in LEGAL[kind]}
    assert {(kind.__name__, status.value) for kind, status in legal - reached} == set()


def test_there_is_a_move_for_everything_that_can_be_asked() -> None:
    assert {*OFTEN} == {*MOVES}
