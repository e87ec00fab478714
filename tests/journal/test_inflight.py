"""The record of the code that runs: what a dead process leaves in it, and that one which ends in order leaves nothing."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING

import pytest

from journal.ids import InvocationId, StepId, StreamId, invocation_id
from journal.in_flight import FILE, TURN_BYTES, InFlight, turn_mark

if TYPE_CHECKING:
    from pathlib import Path

A, B = (invocation_id(StreamId(7), number) for number in (1, 2))
ONE, TWO = StepId("1"), StepId("2.3")


def opened(folder: Path) -> InFlight:
    found = InFlight.open(folder)
    assert found is not None
    return found


def lost(record: InFlight) -> list[tuple[InvocationId, StepId, int]]:
    return sorted((one.invocation_id, one.step, one.attempt) for one in record.lost.values())


def die(record: InFlight) -> None:
    """The process has gone, and the kernel has kept the pages."""
    os.close(record._file)


def test_tries_under_way_are_lost_with_the_process(tmp_path: Path) -> None:
    record = opened(tmp_path)
    record.begin(A, ONE, 1)
    record.begin(B, TWO, 7)
    ended = record.begin(B, ONE, 1)
    assert ended is not None
    record.end(ended)
    die(record)
    assert lost(opened(tmp_path)) == [(A, ONE, 1), (B, TWO, 7)]


def test_nothing_is_lost_by_a_process_that_ends(tmp_path: Path) -> None:
    record = opened(tmp_path)
    slot = record.begin(A, ONE, 1)
    record.close()
    assert slot is not None
    record.end(slot)  # a thread that was left behind ends later
    assert record.begin(A, ONE, 2) is None
    assert lost(opened(tmp_path)) == []


def test_a_lost_try_stays_until_the_store_knows_of_it(tmp_path: Path) -> None:
    record = opened(tmp_path)
    record.begin(A, ONE, 1)
    die(record)
    opened(tmp_path).close()
    record = opened(tmp_path)
    assert lost(record) == [(A, ONE, 1)]
    record.begin(B, ONE, 1)
    record.forget(record.lost[A, ONE, 1])
    die(record)
    assert lost(opened(tmp_path)) == [(B, ONE, 1)]


def test_a_lost_try_is_forgotten_if_no_attempt_asks_for_it_in_many_starts(tmp_path: Path) -> None:
    record = opened(tmp_path)
    record.begin(A, ONE, 1)
    die(record)
    for _ in range(30):
        record = opened(tmp_path)
        record.close()
    assert lost(opened(tmp_path)) == []


def test_tries_of_one_step_that_were_lost_one_after_the_other_are_told_apart(tmp_path: Path) -> None:
    for attempt in (1, 2, 3):
        record = opened(tmp_path)
        record.begin(A, ONE, attempt)
        die(record)
    assert lost(opened(tmp_path)) == [(A, ONE, 1), (A, ONE, 2), (A, ONE, 3)]


def test_a_file_that_is_far_too_large_is_cut_to_its_limit(tmp_path: Path) -> None:
    record = opened(tmp_path)
    record.begin(A, ONE, 1)
    die(record)
    os.truncate(tmp_path / FILE, 1 << 40)
    assert lost(opened(tmp_path)) == [(A, ONE, 1)]
    assert (tmp_path / FILE).stat().st_size < 1 << 24


def test_the_turn_is_still_noted_after_the_record_has_grown(tmp_path: Path) -> None:
    record = opened(tmp_path)
    turn = record.memory
    for number in range(2_000):
        record.begin(A, StepId(str(number)), 1)
    turn[:TURN_BYTES] = turn_mark(B)
    die(record)
    assert opened(tmp_path).strikes_of(B) == 1


def test_nothing_is_written_after_the_end(tmp_path: Path) -> None:
    record = opened(tmp_path)
    record.memory[:TURN_BYTES] = turn_mark(A)
    record.begin(A, ONE, 1)
    die(record)
    record = opened(tmp_path)
    record.close()
    record.forgive(turn_mark(A))
    record.forget(record.lost[A, ONE, 1])
    following = opened(tmp_path)
    assert following.strikes_of(A) == 1
    assert lost(following) == [(A, ONE, 1)]


def test_there_is_room_for_many(tmp_path: Path) -> None:
    record = opened(tmp_path)
    for number in range(3_000):
        assert record.begin(A, StepId(str(number)), 1) is not None
    die(record)
    assert len(opened(tmp_path).lost) == 3_000


def test_a_step_whose_path_is_too_long_is_not_noted(tmp_path: Path) -> None:
    record = opened(tmp_path)
    assert record.begin(A, StepId("1." * 100), 1) is None


def test_each_death_counts_against_the_turn_that_had_the_loop(tmp_path: Path) -> None:
    for count in (1, 2, 3):
        record = opened(tmp_path)
        assert record.strikes_of(A) == count - 1
        record.memory[:TURN_BYTES] = turn_mark(A)
        die(record)
    record = opened(tmp_path)
    assert (record.strikes_of(A), record.strikes_of(B)) == (3, 0)
    record.forgive(turn_mark(A))
    die(record)
    assert opened(tmp_path).strikes_of(A) == 0


def test_two_that_take_turns_are_both_counted(tmp_path: Path) -> None:
    for of in (A, B, A, B):
        record = opened(tmp_path)
        record.memory[:TURN_BYTES] = turn_mark(of)
        die(record)
    record = opened(tmp_path)
    assert (record.strikes_of(A), record.strikes_of(B)) == (2, 2)


def test_a_handler_that_ends_its_turn_does_not_forgive_its_step(tmp_path: Path) -> None:
    for _ in range(2):
        record = opened(tmp_path)
        record.forgive(turn_mark(A))
        record.memory[:TURN_BYTES] = turn_mark(A, ONE)
        die(record)
    record = opened(tmp_path)
    assert (record.strikes_of(A, ONE), record.strikes_of(A)) == (2, 0)
    record.forget_strikes(A)
    assert record.strikes_of(A, ONE) == 0


@pytest.mark.parametrize("content", [b"", b"\xff" * 5_000, b"0 x y\0" * 2_000, os.urandom(200_000)])
def test_the_file_can_be_opened_whatever_it_contains(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    record = opened(tmp_path)
    assert record.begin(A, ONE, 1) is not None
    record.close()


def test_a_file_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    assert InFlight.open(tmp_path) is None


def test_a_note_is_in_the_file_at_once(tmp_path: Path) -> None:
    record = opened(tmp_path)
    record.begin(A, ONE, 1)
    with (tmp_path / FILE).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as other:
        assert A.encode() in other[:]


def test_code_of_no_invocation_leaves_no_mark(tmp_path: Path) -> None:
    record = opened(tmp_path)
    record.memory[:TURN_BYTES] = turn_mark(InvocationId("-"))
    die(record)
    assert opened(tmp_path).strikes == {}
