"""Who holds a data directory, and who only looks."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

from journal.errors import StoreDamaged, StoreError, StoreInUse
from journal.kv.data_directory import DataDirectory
from tests.raising import raises


def test_a_directory_is_held_until_it_is_given_up(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    assert not directory.is_held()
    held = directory.hold()
    assert directory.is_held()
    assert directory.holder_pid() == os.getpid()
    with raises(StoreInUse, pid=os.getpid(), is_own=True):
        directory.hold()
    assert directory.is_held()
    held.release()
    assert not directory.is_held()
    other = os.open(tmp_path / "data" / "HOLDER", os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)  # as another process has it, whose pid in its container may be the same
    with raises(StoreInUse, pid=os.getpid(), is_own=False):
        directory.hold()
    os.close(other)


def test_a_directory_that_cannot_be_made_is_not_taken_for_a_damaged_one() -> None:
    with raises(StoreError) as refused:
        DataDirectory(Path("/proc/none")).hold()
    assert not isinstance(refused.value, StoreDamaged)


def test_who_only_looks_keeps_nobody_from_holding_it(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "data")
    directory.hold().release()
    looking = os.open(tmp_path / "data" / "HOLDER", os.O_RDWR)
    fcntl.flock(looking, fcntl.LOCK_SH)  # as is_held() does, for an instant
    looked = threading.Timer(0.02, os.close, [looking])
    looked.start()
    assert not directory.is_held(), "nor do they see each other"
    held = directory.hold()
    looked.join()
    assert directory.is_held()
    held.release()
