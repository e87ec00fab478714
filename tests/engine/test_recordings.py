"""Recordings of invocations, replayed away from their data: on the same code, and on code that differs."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio

import actors
from actors import Actor, Log, Map, Service, handler, shared, step
from actors.errors import IncompatibleError
from actors.query import recordings
from actors.query.recorded import read_recorded
from actors.query.recordings import read_recordings, recording_of
from actors.query.snapshot import open_snapshot
from actors.types import Verdict
from tests.lab import Lab
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = on_virtual_time

RAN: list[str] = []


@step
async def price(article: str) -> int:
    RAN.append(article)
    return 3


class Cart(Actor):
    total: int = 0
    counts: Map[str, int]
    lines: Log[str]

    @handler
    async def add(self, article: str) -> int:
        self.counts[article] = self.counts.get(article, 0) + 1
        self.total += await price(article)
        self.lines.append(f"{len(self.lines)} {article}")
        return self.total

    @handler
    async def wait(self) -> str:
        await price("first")
        with actors.move_on_after(1_000):
            return await actors.signal("go", str)
        return "late"

    @shared
    async def shown(self) -> list[str]:
        await price("shown")
        return [*self.lines]


class Nothing(Service):
    @handler
    async def run(self) -> None:
        await price("x")


class Renamed(Actor, name="Cart"):
    total: int = 0
    counts: Map[str, int]
    lines: Log[str]

    @handler
    async def add(self, article: str) -> int:
        await actors.sleep(1)
        return await price(article)

    @handler
    async def wait(self) -> str:
        await price("first")
        return await actors.signal("stop", str)

    @shared
    async def shown(self) -> list[str]:
        await price("shown")
        return [*reversed([*self.lines])]


async def recorded(lab: Lab) -> dict[str, str]:
    """The recordings of some invocations, by what they are."""
    async with lab.running() as runtime:
        cart = runtime.client.actor(Cart, "a")
        sent = {}
        for number in range(3):
            sent[f"add {number}"] = await cart.add.send("tea")
            await sent[f"add {number}"].result()
        sent["shown"] = await cart.shown.send()
        await sent["shown"].result()
        await cart.add("cups")
        sent["open"] = await cart.wait.send()
        sent["queued"] = await cart.add.send("last")
        sent["nothing"] = await runtime.client.service(Nothing).run.send()
        await sent["nothing"].result()
        await trio.sleep(1)
        async with open_snapshot(runtime.engine.journal) as snapshot:
            return {name: recording_of(await read_recorded(snapshot, handle.id)) for name, handle in sent.items()}


@pytest.fixture
def lab() -> Lab:
    return Lab(Cart, Nothing)


async def test_a_recording_replays_without_its_data_and_without_effects(lab: Lab, tmp_path: Path) -> None:
    lines = await recorded(lab)
    file = tmp_path / "histories.jsonl"
    file.write_text("\n".join([*lines.values(), '{"kind":"event","id":"inv_1"}', ""]))
    RAN.clear()
    reports = await trio.to_thread.run_sync(actors.testing.replay_history, file, Cart, Nothing)
    assert RAN == []
    assert [report.verdict for report in reports] == [Verdict.SAME] * len(lines)
    by_name = dict(zip(lines, reports, strict=True))
    assert by_name["shown"].outcome is not None
    assert by_name["shown"].outcome.value == ["0 tea", "1 tea", "2 tea"], "the object as it was then"
    assert by_name["add 2"].outcome is not None
    assert by_name["add 2"].outcome.value == 9


@pytest.mark.parametrize(
    ("which", "verdict"),
    [("add 1", Verdict.DIVERGES), ("open", Verdict.DIVERGES), ("shown", Verdict.ENDS_OTHERWISE)],
)
async def test_code_that_differs_is_found_at_its_step(lab: Lab, tmp_path: Path, which: str, verdict: Verdict) -> None:
    file = tmp_path / "histories.jsonl"
    file.write_text((await recorded(lab))[which])
    with pytest.raises(IncompatibleError) as caught:
        actors.testing.replay_history(file, Renamed)
    details = caught.value.details
    assert details["verdict"] == verdict.value
    if verdict is Verdict.DIVERGES:
        assert ("test_recordings.py:" in details["recorded_source"]) is (which == "add 1")
        assert "test_recordings.py:" in details["attempted_source"]


def packed(**changes: object) -> bytes:
    kept = {"format": 1, "row": b"", "numbers": [], "record": b"", "state": None, "version": 0, "items": [], **changes}
    data = base64.b64encode(zlib.compress(msgspec.msgpack.encode(kept))).decode()
    return msgspec.json.encode({"kind": "recording", "recording": data})


@pytest.mark.parametrize(
    "line",
    [
        b"no json",
        b"[]",
        b'{"kind":"recording"}',
        b'{"kind":"recording","recording":5}',
        b'{"kind":"recording","recording":"####"}',
        b'{"kind":"recording","recording":"AAAA"}',
        packed(format=2),
        packed(),
        packed(row=5),
        packed(numbers=[1]),
    ],
)
async def test_a_line_that_is_no_recording_is_named(line: bytes) -> None:
    with pytest.raises(actors.InvalidArgumentError, match="file, line 2: ") as caught:
        [*read_recordings([b"\n", line], "file")]
    assert caught.value.path == "file"


async def test_a_recording_has_a_limit(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "MAX_BYTES", 100)
    with pytest.raises(actors.LimitExceededError) as caught:
        await recorded(lab)
    assert caught.value.limit == "recording_bytes"


async def test_a_file_without_a_recording_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "empty.jsonl"
    file.write_text("")
    with pytest.raises(actors.NotFoundError):
        actors.testing.replay_history(file, Cart)
