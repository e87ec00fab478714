"""``/health`` says whether the server does its work, and why not, to whoever asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from actors.errors import UnavailableError
from actors.http.routes import TokenScope
from journal.errors import DirectoryLost, StoreFailed
from journal.kv import room
from journal.kv.memory import MemoryStore
from journal.kv.store import Trouble, TroubleKind
from journal.log.kv_journal import KvJournal
from journal.log.open import open_journal
from tests.counter import Counter
from tests.http.served import Served, serving
from tests.journal.test_rocks import disk_of

OK = {"status": "ok", "takes_work": True, "reasons": []}


async def health(served: Served) -> tuple[int, dict[str, Any]]:
    """What a stranger is told."""
    answered = await served.bare("GET", "/health")
    assert (await served.bare("GET", "/restate/health")).status_code == answered.status_code
    told: dict[str, Any] = answered.json()
    assert not any(str(Path("/tmp")) in reason["message"] for reason in told["reasons"]), "no paths for strangers"
    return answered.status_code, told


def codes(told: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in told["reasons"]]


async def test_a_server_that_does_its_work_is_ok(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        assert await health(served) == (200, OK)


class Troubled(MemoryStore):
    """A store that has been told what is wrong with it."""

    told: tuple[Trouble, ...] = ()

    def troubles(self) -> tuple[Trouble, ...]:
        return self.told


@pytest.mark.parametrize(
    ("trouble", "status_code", "status"),
    [
        (Trouble(TroubleKind.DISK_FULL, "full"), 503, "degraded"),
        (Trouble(TroubleKind.DISK_NEARLY_FULL, "nearly full"), 503, "degraded"),
        (Trouble(TroubleKind.TABLES_DAMAGED, "damaged", stops_work=False), 200, "degraded"),
        (Trouble(TroubleKind.DISK_FAILED, "failed", is_final=True), 503, "failing"),
        (Trouble(TroubleKind.DIRECTORY_LOST, "lost", is_final=True), 503, "failing"),
    ],
    ids=lambda value: value.kind.value if isinstance(value, Trouble) else None,
)
async def test_trouble_with_the_store_is_told(tmp_path: Path, trouble: Trouble, status_code: int, status: str) -> None:
    store = Troubled()
    async with serving(tmp_path, Counter, journal=KvJournal(store)) as served:
        store.told = (trouble,)
        found, told = await health(served)
        assert (found, told["status"], codes(told)) == (status_code, status, [trouble.kind.value])
        assert told["takes_work"] is (status_code == 200)
        store.told = ()
        assert await health(served) == (200, OK)


async def test_damaged_tokens_degrade_a_server_that_goes_on(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        secret = served.tokens.create("ops", TokenScope.READ)
        kept = tmp_path / "TOKENS"
        good = kept.read_bytes()
        kept.write_bytes(good[:-9])
        found, told = await health(served)
        assert (found, told["status"], codes(told)) == (200, "degraded", ["tokens-damaged"])
        answered = await served.bare("GET", "/services", headers={"authorization": f"Bearer {secret}"})
        assert (answered.status_code, answered.json()["code"]) == (503, "damaged")
        assert (await served.http.get("/services")).status_code == 200
        assert (await served.bare("GET", "/services")).status_code == 401
        kept.write_bytes(good)
        assert await health(served) == (200, OK)


async def test_a_server_that_stops_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served:
        stream = await served.connected()
        async with stream:
            await stream.send_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")  # begun before the end
            await trio.testing.wait_all_tasks_blocked()
            served.closing.begin.set()
            await stream.send_all(b"Connection: close\r\n\r\n")
            answered = b""
            while piece := await stream.receive_some():
                answered += piece
        assert b" 503 " in answered.partition(b"\r\n")[0]
        assert b"stopping" in answered


async def test_a_full_disk_is_told_until_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "CHECK_SECONDS", 0.0)
    with disk_of(200, tmp_path / "disk") as resize:
        kept = {"durability": "fsync", "path": tmp_path / "disk" / "data", "code": None}
        async with serving(tmp_path, Counter, **kept) as served:
            assert await health(served) == (200, OK)
            filler = tmp_path / "disk" / "filler"
            with filler.open("wb", buffering=0) as file:
                resize(16)
                while True:
                    try:
                        file.write(bytes(1 << 16))
                    except OSError:
                        break
            found, told = await health(served)
            assert (found, told["status"], told["takes_work"]) == (503, "degraded", False)
            assert codes(told) in (["disk-nearly-full"], ["disk-full"])
            with pytest.raises(UnavailableError):
                async with served.client() as client:
                    await client.actor(Counter, "a").add(1)
            filler.unlink()
            resize(300)
            with trio.fail_after(30):
                while (await health(served))[0] != 200:
                    await trio.sleep(0.05)


@pytest.mark.parametrize(
    ("failure", "code"), [(StoreFailed("a write failed"), "disk-failed"), (DirectoryLost("moved"), "directory-lost")]
)
async def test_a_store_that_failed_says_what_it_was(tmp_path: Path, failure: StoreFailed, code: str) -> None:
    async with open_journal(tmp_path / "data") as journal:
        store: Any = journal._store
        assert journal.troubles() == []
        store._failure = failure
        (trouble,) = journal.troubles()
        assert (trouble.kind.value, trouble.is_final, trouble.stops_work) == (code, True, True)
