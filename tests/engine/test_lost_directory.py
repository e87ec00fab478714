"""A runtime whose data directory is taken away ends, and says so to all who wait."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

import actors
from actors import Actor, Service, UnknownOutcomeError, handler
from actors.runtime import open_runtime
from journal.errors import DirectoryLost
from journal.kv import rocks, rocks_watch
from journal.log.open import open_for_reading
from tests.data_copies import copied
from tests.lab import WORLD


class Counter(Actor):
    total: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.total += amount
        return self.total


class Waiter(Service):
    @handler
    async def wait(self) -> str:
        WORLD.note("waits")
        return await actors.signal("go", str)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rocks, rocks_watch):
        monkeypatch.setattr(module, "CHECK_SECONDS", 0.01)


def moved(path: Path) -> None:
    path.rename(path.with_name("aside"))


def replaced(path: Path) -> None:
    moved(path)
    copied(path.with_name("aside"), path)


@pytest.mark.parametrize("fate", [moved, replaced, shutil.rmtree])
async def test_an_idle_runtime_raises_when_its_directory_is_lost(tmp_path: Path, fate: Callable[[Path], None]) -> None:
    with trio.fail_after(30), pytest.raises(DirectoryLost):
        async with open_runtime(Counter, path=tmp_path / "data") as runtime:
            assert await runtime.client.actor(Counter, "a").add(1) == 1
            fate(tmp_path / "data")
            await trio.sleep_forever()


async def test_a_caller_learns_that_the_outcome_is_unknown(tmp_path: Path) -> None:
    heard: list[BaseException] = []

    async def call(client: actors.LocalClient) -> None:
        try:
            await client.service(Waiter).wait()
        except UnknownOutcomeError as error:
            heard.append(error)
            raise

    with trio.fail_after(30), pytest.raises(DirectoryLost):
        async with open_runtime(Waiter, path=tmp_path / "data") as runtime, trio.open_nursery() as nursery:
            nursery.start_soon(call, runtime.client)
            while "waits" not in WORLD.entries:
                await trio.sleep(0.001)
            moved(tmp_path / "data")
            with trio.CancelScope(shield=True):
                while not heard:
                    await trio.sleep(0.001)
            await trio.sleep_forever()


async def test_the_moved_directory_has_everything_that_was_answered(tmp_path: Path) -> None:
    with trio.fail_after(30), pytest.raises(DirectoryLost):
        async with open_runtime(Counter, path=tmp_path / "data", code=None) as runtime:
            for total in range(1, 6):
                assert await runtime.client.actor(Counter, "a").add(1) == total
            moved(tmp_path / "data")
            await trio.sleep_forever()
    copied(tmp_path / "aside", tmp_path / "copy")
    open_for_reading(tmp_path / "copy")[0].close()
    async with open_runtime(Counter, path=tmp_path / "copy", code=None) as runtime:
        assert await runtime.client.actor(Counter, "a").add(1) == 6
