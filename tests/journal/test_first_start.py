"""What a death at the first start of a store leaves: a directory that says it is a store, and has nothing in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from journal.errors import StoreDamaged, StoreMissing
from journal.kv.data_directory import DataDirectory
from journal.log.open import open_for_reading, open_journal
from journal.rows import FORMAT, StoreIdentity

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def left(tmp_path: Path) -> Path:
    directory = DataDirectory(tmp_path / "data").hold()
    directory.create(StoreIdentity(format=FORMAT, store_id="one", secret="one", partitions=2, created_at=0.0))
    directory.release()
    return tmp_path / "data"


async def test_a_store_that_was_never_written_is_missing_and_not_damaged(left: Path) -> None:
    with pytest.raises(StoreMissing):
        open_for_reading(left)
    async with open_journal(left) as journal:
        assert journal.partitions == 2
    open_for_reading(left)[0].close()


async def test_a_store_that_was_written_and_has_lost_its_files_is_damaged(left: Path) -> None:
    async with open_journal(left):
        pass
    (left / "db" / "CURRENT").unlink()
    with pytest.raises(StoreDamaged):
        open_for_reading(left)
