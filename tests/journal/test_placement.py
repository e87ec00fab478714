"""Which node owns which partition: balanced, the same for everybody, and with the fewest moves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from journal.replicated.placement import placement

NAMES = st.sets(st.text(min_size=1, max_size=4), min_size=1, max_size=7)
PARTITIONS = st.integers(min_value=1, max_value=20)


def loads(placed: dict[int, str], members: set[str]) -> list[int]:
    counts = Counter(placed.values())
    assert counts.keys() <= members
    return [counts[name] for name in members]


def moves(before: dict[int, str], after: dict[int, str]) -> set[int]:
    return {partition for partition, owner in before.items() if after[partition] != owner}


@settings(max_examples=40)
@given(NAMES, PARTITIONS, st.data())
def test_every_partition_has_a_member_and_loads_differ_by_at_most_one(
    members: set[str], partitions: int, data: st.DataObject
) -> None:
    strangers = st.sampled_from(sorted(members | {"gone"}))
    previous = data.draw(st.dictionaries(st.integers(0, partitions - 1), strangers))
    placed = placement(members, partitions, previous)
    assert placed.keys() == set(range(partitions))
    assert max(loads(placed, members)) - min(loads(placed, members)) <= 1
    assert placement(members, partitions, placed) == placed


@settings(max_examples=40)
@given(NAMES, PARTITIONS, st.data())
def test_only_the_partitions_of_a_lost_node_move(members: set[str], partitions: int, data: st.DataObject) -> None:
    before = placement(members, partitions, {})
    lost = data.draw(st.sampled_from(sorted(members)))
    if members == {lost}:
        assert placement([], partitions, before) == {}
        return
    after = placement(members - {lost}, partitions, before)
    assert moves(before, after) == {partition for partition, owner in before.items() if owner == lost}


@settings(max_examples=40)
@given(NAMES, PARTITIONS)
def test_a_node_that_joins_takes_no_more_than_its_share_and_nothing_else_moves(
    members: set[str], partitions: int
) -> None:
    before = placement(members, partitions, {})
    after = placement(members | {"the new one"}, partitions, before)
    moved = moves(before, after)
    assert {after[partition] for partition in moved} <= {"the new one"}
    assert len(moved) == partitions // (len(members) + 1)


@settings(max_examples=40)
@given(NAMES, PARTITIONS, st.data())
def test_moves_that_are_under_way_stay_as_they_were_planned(
    members: set[str], partitions: int, data: st.DataObject
) -> None:
    """One node releases its partitions earlier than another, and everybody computes again meanwhile."""
    before = placement(members, partitions, {})
    planned = placement(members | {"the new one"}, partitions, before)
    released = data.draw(st.sets(st.sampled_from(sorted(moves(before, planned)) or [0])))
    held = {
        partition: owner
        for partition, owner in before.items()
        if partition not in released or owner == planned[partition]
    }
    now = placement(members | {"the new one"}, partitions, held)
    assert Counter(now.values())["the new one"] == Counter(planned.values())["the new one"]
    assert all(
        now[partition] == planned[partition]
        for partition in held
        if planned[partition] != "the new one" and len(members) == 1
    )


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_every_process_computes_the_same(seed: str) -> None:
    code = "from journal.replicated.placement import placement as p; print(p(['c', 'a', 'b'], 16, {3: 'gone', 5: 'c'}))"
    command = [sys.executable, "-c", code]
    found = subprocess.run(
        command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == str(placement(["b", "c", "a"], 16, {5: "c", 3: "gone"}))


@settings(max_examples=40)
@given(NAMES, PARTITIONS, st.data())
def test_a_moved_partition_is_where_it_was_moved_and_the_rest_is_balanced_around_it(
    members: set[str], partitions: int, data: st.DataObject
) -> None:
    before = placement(members, partitions, {})
    target, moved = data.draw(st.sampled_from(sorted(members))), data.draw(st.integers(0, partitions - 1))
    after = placement(members, partitions, before, {moved: target, partitions + 1: "gone"})
    assert after[moved] == target
    assert max(loads(after, members)) - min(loads(after, members)) <= 1
    assert len(moves(before, after)) <= 2, "one moves in exchange"
    assert placement(members, partitions, after, {moved: target}) == after
