"""A server dies just before each write, sync, rename, link and unlink that it makes: while it starts, while it does what clients ask
for, while it stops. What was acknowledged is there afterwards, also if the power went with it, and the rest can be asked for again.

A life that no death ends counts the boundaries, and each of them is a death of its own. The servers are whole ones; what they leave is
taken up in this process, twice: as the death left it, and as a power cut did, where that differs. ``CRASH_BOUNDARIES_SECONDS`` is
the time for each scenario.
"""

from __future__ import annotations

import shutil
from random import Random
from typing import TYPE_CHECKING

import attrs
import pytest
import trio

import actors
from actors.runtime import open_runtime
from cli.commands.doctor import look
from journal.errors import StoreMissing
from tests.crash import judge
from tests.crash.bank import Account, Bank
from tests.crash.box import Box, box
from tests.crash.lives import SEED, help_along
from tests.crash.operations import Heard, operation, perform
from tests.crash.server import Server, ServerDied, open_server, token_of
from tests.data_copies import copied
from tests.journal.shim import Control, cut_power, note_as_synced, preloaded, shared_control

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from actors import Client

SCENARIOS = {
    "first start": ("deposit",),
    "work": ("append", "transfer", "steps", "post", "nap"),
    "control": ("wait", "pause", "cancel", "kill", "restart", "job"),
}
"""What is asked for, one after the other; except at the first start in a store in which something has happened."""

BEFORE = ("deposit", "steps", "wait")


def numbers_of(kinds: tuple[str, ...], after: int = 0) -> list[int]:
    """Numbers of operations of these kinds."""
    numbers: list[int] = []
    for kind in kinds:
        after = next(number for number in range(after + 1, after + 10_000) if operation(number).kind == kind)
        numbers.append(after)
    return numbers


@attrs.define(eq=False)
class Scene:
    """A scenario: what is asked for, from whom, and in a copy of which store."""

    folder: Path
    numbers: list[int]
    start: Path | None
    server: Server
    control: Control

    async def die_before(self, boundary: int) -> list[str]:
        """Live until the boundary, 0 to the end, and take up what is left; what is wrong with it."""
        home = self.folder / str(boundary)
        _copy(self.start, home / "killed")
        _copy(self.folder / "ledger", home / "ledger")
        heard = await self._live(home, boundary)
        _copy(home / "killed", home / "unpowered")
        cut_power(home / "unpowered", self.trace, traced_as=home / "killed")
        wrongs: list[str] = []
        lefts = [home / "killed", home / "unpowered"]
        if _files_of(lefts[0]) == _files_of(lefts[1]):
            lefts.pop()  # all that was written was synced
        for left in lefts:
            wrongs += [f"boundary {boundary}, {left.name}: {wrong}" for wrong in await self._taken_up(left, [*heard])]
        shutil.rmtree(home)
        return wrongs

    @property
    def trace(self) -> Path:
        """What is on disk."""
        return self.folder / "trace"

    async def _live(self, home: Path, boundary: int) -> list[Heard]:
        heard: list[Heard] = []
        note_as_synced(home / "killed", self.trace)
        self.server.ledger = home / "ledger"
        self.control.boundaries, self.control.kill_before = 0, boundary
        try:
            await self.server.start(home / "killed", "--drain", "2s")
            async with actors.connect(self.server.url, token=token_of(home / "killed")) as client:
                await self.server.while_it_lives(lambda: _ask(client, self.numbers, heard))
            await self.server.stop()
        except (ServerDied, actors.UnavailableError, actors.UnknownOutcomeError):
            await self.server.ended()
        return heard

    async def _taken_up(self, left: Path, heard: list[Heard]) -> list[str]:
        ledger = left.with_suffix(".ledger")
        _copy(left.with_name("ledger"), ledger)
        length = len(ledger.read_text().splitlines())
        try:
            recorded = dict.fromkeys(judge.recorded_steps(left), length)
        except StoreMissing:
            recorded = {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CRASH_LEDGER", str(ledger))
            async with open_runtime(Account, Bank, path=left, durability="os") as runtime:
                await _ask(runtime.client.acting_as("token:main", "tests"), self.numbers, heard)
                await _end(runtime.client)
        remains = judge.read(left)
        return [
            *judge.wrongs(remains, heard, recorded, ledger.read_text().splitlines()),
            *(f"the doctor finds {finding}" for finding in look(left).findings),
        ]


def _files_of(directory: Path) -> dict[Path, bytes]:
    """What is in its files, except what RocksDB says to people of what it does."""
    files = [path for path in directory.rglob("*") if path.is_file() and path.name != "LOG"]
    return {path.relative_to(directory): path.read_bytes() for path in files}


def _copy(source: Path | None, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if source is None or not source.exists():
        return
    if source.is_dir():
        copied(source, target)
    else:
        shutil.copy(source, target)


async def _ask(client: Client, numbers: list[int], heard: list[Heard]) -> None:
    for number in numbers:
        await perform(client, operation(number), heard.append)


async def _end(client: Client) -> None:
    for job in await client.jobs.list():
        await client.jobs.job(job.id).result()
    while await help_along(client):
        await trio.sleep(0.001)


async def die_everywhere(folder: Path, kinds: tuple[str, ...], start: Path | None, deaths: Box) -> list[str]:
    """Die before each boundary, in no order, as long as the box lets it. The goal of the box is set to their number."""
    control = shared_control(folder / "control")
    environment = preloaded(folder, control=folder / "control", trace=folder / "trace")
    async with open_server(folder / "ledger", environment) as server:
        scene = Scene(folder, numbers_of(kinds, after=1000), start, server, control)
        if wrongs := await scene.die_before(0):
            return wrongs
        boundaries = [*range(1, scene.control.boundaries + 1)]
        deaths.goal = len(boundaries)
        Random(SEED).shuffle(boundaries)
        for index in deaths:
            if wrongs := await scene.die_before(boundaries[index]):
                return wrongs
    return []


async def prepare(start: Path) -> None:
    """A store in which something has happened."""
    async with open_runtime(Account, Bank, path=start) as runtime:
        await _ask(runtime.client, numbers_of(BEFORE), [])
        await _end(runtime.client)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_death_before_any_write_loses_nothing(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    deaths = box("boundaries", goal=0, seconds=160, floor=3)
    (tmp_path / "ledger").touch()
    monkeypatch.setenv("CRASH_LEDGER", str(tmp_path / "ledger"))
    start = None if name == "first start" else tmp_path / "start"
    if start is not None:
        trio.run(prepare, start)
    wrongs = trio.run(die_everywhere, tmp_path, SCENARIOS[name], start, deaths)
    record_property("reached", f"boundaries, {name}: {deaths}")
    assert not wrongs, f"seed {SEED}: {len(wrongs)} wrongs, the first: {wrongs[:5]}"
