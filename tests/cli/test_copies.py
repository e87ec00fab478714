"""``playhead backup``, ``restore`` and ``doctor``: what is kept can be copied while it is used, is checked, and mended from its events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

import actors
from actors import Service, handler, step
from actors.errors import UnavailableError
from actors.errors.base import code_of
from actors.http.server.backups import ConflictError, noted
from actors.query.fsck.doctor import examine, rebuild
from actors.rows.audit import ControlAction, Principal
from journal import invocation_keys, keys
from journal.errors import DirectoryNotEmpty, JournalError, StoreDamaged, StoreError, StoreExists, Unavailable
from journal.events import Status
from journal.kv.store import Batch, scan_all
from journal.log.open import open_for_reading, open_journal
from journal.rows import InvocationRow, decode_row, encode_row
from tests.counter import Counter
from tests.http.served import serving

if TYPE_CHECKING:
    from actors.query.fsck.report import FsckReport
    from tests.cli.shell import Shell

ME = Principal("user:me", "process")
DAY = 86_400.0


@step
async def work_for_ever() -> None:
    await trio.sleep_forever()


class Waiter(Service):
    @handler
    async def wait(self) -> str:
        return await actors.signal("go", str)

    @handler
    async def work(self) -> None:
        await work_for_ever()


async def kept(path: Path) -> None:
    """Ended, paused and waiting invocations, one that was purged, and one whose step still runs when all of it stops."""
    async with actors.open_runtime(Counter, Waiter, path=path, durability="os") as runtime:
        client = runtime.client
        for amount in range(5):
            await client.actor(Counter, "a").add(amount)
        gone = await client.actor(Counter, "b").add.send(1)
        await gone.result()
        await gone.purge()
        waiting = [await client.service(Waiter).wait.send() for _ in range(3)]
        await waiting[0].pause(reason="a look")
        await waiting[1].kill()
        with trio.fail_after(30):
            while not (await waiting[2].info()).waits:
                await trio.lowlevel.checkpoint()
            working = await client.service(Waiter).work.send()
            async for event in working.follow():
                if event.name == "StepScheduled":
                    break


def rows_of(path: Path) -> dict[bytes, bytes]:
    reader, _ = open_for_reading(path)
    try:
        return dict(scan_all(reader, b"", b"\xff" * 20))
    finally:
        reader.close()


def look(path: Path) -> FsckReport:
    reader, identity = open_for_reading(path)
    try:
        return examine(reader, identity.partitions)
    finally:
        reader.close()


async def change(path: Path, rows: dict[bytes, bytes | None]) -> None:
    async with open_journal(path) as journal:
        await journal._store.commit(Batch(dict(rows)))


async def mended(path: Path) -> FsckReport:
    async with open_journal(path) as journal:
        return await rebuild(journal, ME, retention_seconds=DAY)


INDEXES = {
    "by status": invocation_keys.open_prefix(0, Status.PAUSED),
    "by time": invocation_keys.created_prefix(0),
    "by deployment": invocation_keys.pinned_prefix(0, ""),
    "by end of retention": invocation_keys.purge_prefix(0),
    "of what a start looks at": keys.owing_prefix(0),
    "of what waits for a signal": invocation_keys.awaiting_prefix(0),
    "of objects by name": keys.object_names(0, None),
    "rows of invocations": invocation_keys.invocations(0),
}


async def test_what_was_used_is_sound(tmp_path: Path) -> None:
    await kept(tmp_path)
    found = look(tmp_path)
    assert found.findings == ()
    assert found.events > 20


@pytest.mark.parametrize("index", INDEXES)
async def test_an_index_that_is_lost_is_found_missing_and_built_anew_as_it_was(tmp_path: Path, index: str) -> None:
    await kept(tmp_path)
    prefix = INDEXES[index]
    before = rows_of(tmp_path)
    lost = {key for key in before if key.startswith(prefix)}
    assert lost
    await change(tmp_path, dict.fromkeys(lost))
    found = look(tmp_path)
    assert found.findings
    assert all(finding.can_be_rebuilt for finding in found.findings), found.findings
    assert (await mended(tmp_path)).findings == ()
    after = rows_of(tmp_path)
    if index != "rows of invocations":
        assert {key: after.get(key) for key in lost} == {key: before[key] for key in lost}
        return
    for key in lost:
        was, now = (decode_row(InvocationRow, rows[key]) for rows in (before, after))
        assert (now.target, now.status, now.outcome, now.created_at, now.completed_at, now.deployment) == (
            was.target,
            was.status,
            was.outcome,
            was.created_at,
            was.completed_at,
            was.deployment,
        )


async def test_what_an_index_has_too_much_is_taken_out(tmp_path: Path) -> None:
    await kept(tmp_path)
    before = rows_of(tmp_path)
    (paused,) = [key for key in before if key.startswith(invocation_keys.open_prefix(0, Status.PAUSED))]
    wrong = invocation_keys.open_prefix(0, Status.QUEUED) + paused[-38:]
    await change(tmp_path, {wrong: b""})
    (finding,) = look(tmp_path).findings
    assert finding.where == "the index by status"
    await mended(tmp_path)
    assert wrong not in rows_of(tmp_path)


async def test_a_row_that_says_another_status_than_its_object_is_found_and_mended(tmp_path: Path) -> None:
    await kept(tmp_path)
    before = rows_of(tmp_path)
    key = next(
        key
        for key, data in before.items()
        if key.startswith(invocation_keys.invocations(0)) and decode_row(InvocationRow, data).status is Status.PAUSED
    )
    row = decode_row(InvocationRow, before[key])
    row.status = Status.QUEUED
    await change(tmp_path, {key: encode_row(row)})
    assert any("its row says queued, but its object says paused" in finding.what for finding in look(tmp_path).findings)
    assert (await mended(tmp_path)).is_sound
    assert decode_row(InvocationRow, rows_of(tmp_path)[key]).status is Status.PAUSED


async def test_a_hole_in_a_log_is_found_and_not_made_up(tmp_path: Path) -> None:
    await kept(tmp_path)
    records = sorted(key for key in rows_of(tmp_path) if key.startswith(keys.records(0)))
    await change(tmp_path, {records[1]: None})
    found = look(tmp_path)
    assert [finding for finding in found.findings if not finding.can_be_rebuilt]
    assert not (await mended(tmp_path)).is_sound


async def test_a_rebuild_is_in_the_audit_and_changes_no_event(tmp_path: Path) -> None:
    await kept(tmp_path)
    before = rows_of(tmp_path)
    await change(tmp_path, dict.fromkeys(key for key in before if key.startswith(invocation_keys.created_prefix(0))))
    await mended(tmp_path)
    events = {key: data for key, data in rows_of(tmp_path).items() if key.startswith(keys.records(0))}
    assert events == {key: data for key, data in before.items() if key.startswith(keys.records(0))}
    async with actors.open_runtime(Counter, Waiter, path=tmp_path, durability="os") as runtime:
        newest = (await runtime.client.audit(verb="rebuild-indexes")).entries[0]
        assert (newest.by, newest.changed) == ("user:me", True)
        assert await runtime.client.actor(Counter, "a").add(1) == 11


def test_a_server_is_copied_while_it_runs_and_the_copy_goes_on_where_it_was(shop: Shell) -> None:
    shop.done("""playhead call Shop/a/sell '{"what": "tea", "amount": 2}'""")
    assert shop.done("playhead backup one --reason 'before the upgrade'").endswith("playhead-data/backups/one")
    shop.done("""playhead call Shop/a/sell '{"what": "rum", "amount": 3}'""")
    said = shop.run("playhead backup one")
    assert (said.code, "already" in said.err) == (3, True)
    for name in ("../two", "..", "/tmp/two", ".hidden"):
        assert shop.run(f"playhead backup -- {name}").code == 2
    audit = json.loads(shop.done("playhead audit --verb backup -o json"))
    assert [(row["target"], row["changed"], row["reason"]) for row in audit] == [
        ("backup:one", False, ""),
        ("backup:one", True, "before the upgrade"),
    ]
    assert "no problems found" in shop.done("playhead doctor")
    assert "no problems found" in shop.done("playhead doctor --data playhead-data/backups/one")
    assert shop.run("playhead doctor --rebuild").code == 75
    assert shop.run("playhead doctor --rebuild --data playhead-data/backups/one").code == 1
    said = shop.run("playhead restore playhead-data/backups/one copy")
    assert (said.code, "original is in use" in said.err) == (0, True)
    assert "no problems found" in shop.done("playhead doctor --data copy")
    assert len(json.loads(shop.done("playhead actors items Shop/a stock -o json --data copy"))) == 1
    assert len(json.loads(shop.done("playhead actors items Shop/a stock -o json"))) == 2
    assert shop.run("playhead restore playhead-data/backups/one copy").code == 3
    (shop.folder / "mine").mkdir()
    (shop.folder / "mine" / "notes.txt").touch()
    assert shop.run("playhead restore playhead-data/backups/one mine").code == 3
    shop.stop()
    shop.done("playhead backup two")
    said = shop.run("playhead restore playhead-data/backups/two again")
    assert (said.code, "original is in use" in said.err) == (0, False)
    assert len(json.loads(shop.done("playhead actors items Shop/a stock -o json --data again"))) == 2


def test_a_backup_that_was_changed_is_not_restored(stopped: Shell) -> None:
    stopped.done("playhead backup one")
    backup = stopped.folder / "playhead-data" / "backups" / "one"
    (backup / "token").write_text("planted")
    table = max(backup.glob("db/*.sst"), key=lambda path: path.stat().st_size)
    table.write_bytes(table.read_bytes()[:-1])
    said = stopped.run(f"playhead restore {backup} copy")
    assert (said.code, "token" in said.err, table.name in said.err) == (1, True, True)
    assert not (stopped.folder / "copy").exists()


def test_a_backup_of_a_store_that_is_not_sound_is_not_restored(stopped: Shell) -> None:
    data = stopped.folder / "playhead-data"
    records = sorted(key for key in rows_of(data) if key.startswith(keys.records(0)))
    trio.run(change, data, {records[1]: None})
    stopped.done("playhead backup one")
    said = stopped.run("playhead restore playhead-data/backups/one copy")
    assert (said.code, "has problems" in said.err) == (1, True)
    assert not (stopped.folder / "copy").exists()


def test_what_was_under_way_is_held_in_a_copy_until_it_is_let_go(stopped: Shell) -> None:
    stopped.done("playhead backup one")
    for options, held in (("", 2), ("--run", 0)):
        stopped.done(f"playhead restore playhead-data/backups/one copy{options} {options}")
        stopped.start(data=f"copy{options}")
        scopes = json.loads(stopped.done(f"playhead gates list -o json --data copy{options}"))
        assert sum(gate["scope"] == "backlog" for gate in scopes) == (held > 0)
        sold = stopped.done(f"""playhead call Shop/a/sell '{{"what": "tea", "amount": 2}}' --data copy{options}""")
        assert sold
        stopped.stop(f"copy{options}")


def test_the_doctor_names_files_that_nothing_else_names(stopped: Shell) -> None:
    data = stopped.folder / "playhead-data"
    table = min((data / "db").glob("*.sst"))
    (data / "db" / "000777.sst").write_bytes(table.read_bytes())
    (data / "db" / "000778.log").write_bytes(b"")
    (data / "STORE").chmod(0o666)
    said = stopped.run("playhead doctor -o json")
    assert said.code == 1
    findings = {one["where"]: one for one in json.loads(said.out)["findings"]}
    assert findings.keys() == {"file db/000777.sst", "file db/000778.log", "file STORE"}
    assert all(one["remedy"] and not one["can_be_rebuilt"] for one in findings.values())
    (data / "STORE").chmod(0o600)
    (data / "db" / "000778.log").unlink()
    assert stopped.run("playhead doctor").code == 1
    stopped.done("playhead doctor --rebuild")  # opens it, and RocksDB removes the table
    assert "no problems found" in stopped.done("playhead doctor")


@pytest.mark.parametrize(
    ("error", "refusal", "code"),
    [
        (StoreExists(Path("backups/one")), ConflictError, "already_exists"),
        (DirectoryNotEmpty(Path("backups/one"), found="notes.txt"), ConflictError, "already_exists"),
        (StoreDamaged(Path("backups/one"), "the file STORE is missing"), UnavailableError, "unavailable"),
        (StoreError(Path("backups"), "other users may write here"), UnavailableError, "unavailable"),
        (Unavailable("the store is closed"), UnavailableError, "unavailable"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_only_what_is_there_is_a_backup_that_exists(
    error: JournalError, refusal: type[Exception], code: str
) -> None:
    noted_refusals: list[str] = []

    async def copy() -> None:
        raise error

    async def note(act: ControlAction, *, refusal: str = "") -> None:
        noted_refusals.append(refusal)

    with pytest.raises(refusal) as raised:
        await noted(copy, "one", "", note)
    assert code_of(raised.value) == code
    assert [said.partition(":")[0] for said in noted_refusals] == [code]


async def test_a_server_that_keeps_nothing_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path, Waiter) as served:
        answer = await served.http.post("/backups", json={"name": "one"})
        assert (answer.status_code, answer.json()["title"]) == (503, "UnavailableError")
        for name in ("..", "a/b", ""):
            assert (await served.http.post("/backups", json={"name": name})).status_code == 400
