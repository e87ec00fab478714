"""A store that fails: damaged, full, taken, or of another time. What is said then, and what goes on."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

import actors
from actors import Actor, handler, step
from actors.query.fsck.doctor import examine
from journal import keys
from journal.errors import CorruptRecord, DiskFull, StoreFormat, StoreInUse
from journal.events import OutcomeKind, Status
from journal.ids import stream_of
from journal.kv.memory import MemoryStore
from journal.kv.store import Batch
from tests.lab import WORLD, Damage, Lab, SlowDisk
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@step
async def effect(name: str) -> str:
    WORLD.note(name)
    await trio.sleep(1.0)
    return name


class Notes(Actor):
    lines: list[str] = actors.field(factory=list)

    @handler
    async def note(self, text: str) -> int:
        self.lines.append(await effect(text))
        return len(self.lines)

    @handler
    async def wait(self) -> None:
        await actors.signal("go")

    @handler
    async def pass_on(self, key: str, text: str) -> None:
        await actors.actor(Notes, key).note.send(text)

    @handler
    async def ask(self, key: str) -> str:
        try:
            await actors.actor(Notes, key).note("asked")
        except actors.UnavailableError as error:
            return str(error)
        return "answered"

    @handler
    async def purge(self, of: actors.InvocationId) -> str:
        try:
            await actors.invocation(of).purge()
        except actors.UnavailableError as refusal:
            return refusal.code.value
        return "answered"


@attrs.frozen
class Line:
    text: str
    extra: Any = None


@attrs.frozen
class Page:
    lines: list[Line]


class Pages(Actor):
    @handler
    async def take(self, page: Page) -> None:
        WORLD.note("taken")

    @handler
    async def give(self) -> Page:
        return Page([Line("fine"), Line("odd", object())])


class Disk(MemoryStore):
    """One that can be full."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False

    async def commit(self, batch: Batch) -> None:
        if self.is_full:
            await trio.lowlevel.checkpoint()
            raise DiskFull("no room on the disk; writes are taken again when there is room")
        await super().commit(batch)

    def has_room(self) -> bool:
        return not self.is_full

    async def recover(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.is_full:
            raise DiskFull("no room on the disk")


class LostHeads(MemoryStore):
    """One that cannot read the heads of objects while ``is_damaged``."""

    is_damaged = False

    def get(self, key: bytes) -> bytes | None:
        if self.is_damaged and key.startswith(keys.heads(0)):
            raise CorruptRecord("a block of the disk has other bits than were written")
        return super().get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.get(key) for key in keys]


@on_virtual_time
async def test_what_cannot_be_kept_is_refused_where_it_enters_and_the_path_is_named() -> None:
    lab = Lab(Pages)
    async with lab.running() as runtime:
        pages = runtime.client.actor(Pages, "a")
        with raises(actors.InvalidArgumentError, path="$['lines'][1]['extra']"):
            await pages.take(Page([Line("fine"), Line("odd", object())]))
        assert await runtime.client.invocations() == []
        with raises(actors.errors.UnserializableError, path="$['lines'][1]['extra']"):
            await pages.give()
    assert WORLD.entries == []


@on_virtual_time
async def test_a_damaged_object_is_named_with_its_event_and_others_go_on() -> None:
    lab = Lab(Notes, partitions=1)
    async with lab.running() as runtime:
        ended = await runtime.client.actor(Notes, "broken").note.send("before")
        assert await ended.result() == await runtime.client.actor(Notes, "whole").note("before") == 1
        handle = await runtime.client.actor(Notes, "broken").wait.send()
    broken = stream_of("Notes", "broken")
    record = keys.record(0, broken, 1)
    [(first, value)] = lab.store.scan(record, keys.record(0, broken, 2), limit=1)
    lab.store.apply(Batch({first: bytes([value[0] ^ 0xFF]) + value[1:]}))
    async with lab.running() as runtime:
        notes, whole = runtime.client.actor(Notes, "broken"), runtime.client.actor(Notes, "whole")
        named = rf"stream {broken:016x}, event 1"
        waiting, ended = runtime.client.invocation(handle.id), runtime.client.invocation(ended.id)
        assert await ended.result() == 1, "what was answered once can be read"
        with raises(actors.UnavailableError, code="set_aside", match=f"Notes/broken/note: {named}"):
            await notes.note("refused")
        for use in (lambda: notes.note.send("refused"), waiting.kill, waiting.cancel, waiting.purge):
            with raises(actors.UnavailableError, code="set_aside", match=named):
                await use()
        assert (await waiting.info()).status is Status.SUSPENDED, "what is known of it can be read"
        assert await ended.result() == 1, "also now that it is known to be damaged"
        assert await whole.note("after") == 2
        assert "Notes/broken" in await whole.ask("broken")
        await whole.pass_on("broken", "kept until it is repaired")
        await trio.sleep(5)
    lab.store.apply(Batch({first: value}))
    async with lab.running() as runtime:
        assert (await runtime.client.invocation(handle.id).info()).status is Status.SUSPENDED
        await runtime.client.invocation(handle.id).signal("go")
        assert await runtime.client.actor(Notes, "broken").note("after") == 3
        assert WORLD.count("kept until it is repaired") == 1


@pytest.mark.parametrize("kept", ["nothing", "the head of a frame", "all but a byte"])
@on_virtual_time
async def test_an_object_whose_record_ends_early_is_set_aside_alone(kept: str) -> None:
    lab = Lab(Notes, partitions=1)
    async with lab.running() as runtime:
        for key in ("broken", "whole"):
            await runtime.client.actor(Notes, key).note("before")
    stream = stream_of("Notes", "broken")
    [(key, value)] = lab.store.scan(keys.record(0, stream, 1), keys.record(0, stream, 2**64 - 1), limit=1)
    ends = {"nothing": 0, "the head of a frame": 5, "all but a byte": len(value) - 1}
    lab.store.apply(Batch({key: value[: ends[kept]]}))
    async with lab.running() as runtime:
        with raises(actors.UnavailableError, code="set_aside"):
            await runtime.client.actor(Notes, "broken").note("after")
        assert await runtime.client.actor(Notes, "whole").note("after") == 2
    lab.store.apply(Batch({key: value}))
    async with lab.running() as runtime:
        assert await runtime.client.actor(Notes, "broken").note("after") == 2


@on_virtual_time
@pytest.mark.parametrize("is_asked_for", [True, False])
async def test_what_cannot_be_erased_is_not_purged_and_keeps_its_row(is_asked_for: bool) -> None:
    lab = Lab(Notes, partitions=1, retention=100.0)
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Notes, "broken").note.send("line")
        assert await handle.result() == 1
        damage = Damage(lab, "Notes", "broken")
        if is_asked_for:
            with pytest.raises(actors.UnavailableError):
                await handle.purge()
        else:
            await trio.sleep(200.0)
        damage.repair()
        assert examine(lab.store, 1).is_sound
        assert await handle.result() == 1
        if is_asked_for:
            assert (await handle.purge()).changed
        else:
            await trio.sleep(4000.0)
        with raises(actors.NotFoundError, kind="invocation"):
            await handle.result()
        assert examine(lab.store, 1).is_sound


@on_virtual_time
async def test_a_row_stays_whose_history_is_damaged_while_its_purge_waits() -> None:
    lab = Lab(Notes, partitions=1, store=SlowDisk())
    async with lab.running() as runtime, trio.open_nursery() as nursery:
        handle = await runtime.client.actor(Notes, "broken").note.send("line")
        assert await handle.result() == 1
        nursery.start_soon(runtime.client.actor(Notes, "whole").note.send, "its commit is under way")
        await trio.sleep(0.1)
        nursery.start_soon(refused_purge, handle)
        await trio.sleep(0.1)
        damage = Damage(lab, "Notes", "broken")
    damage.repair()
    assert examine(lab.store, 1).is_sound
    async with lab.running() as runtime:
        [purged] = (await runtime.client.audit(target=handle.id)).entries
        assert (purged.verb, purged.changed) == ("purge", False)
        assert purged.refusal.startswith("set_aside: ")
        handle = runtime.client.invocation(handle.id)
        assert await handle.result() == 1
        await handle.purge()
        assert (await runtime.client.verify_audit()).is_whole
        with raises(actors.NotFoundError, kind="invocation"):
            await handle.result()
    assert examine(lab.store, 1).is_sound


@on_virtual_time
async def test_the_last_invocation_of_an_object_can_be_purged_while_its_head_is_damaged() -> None:
    disk = LostHeads()
    lab = Lab(Notes, partitions=1, store=disk)
    async with lab.running() as runtime:
        only = await runtime.client.actor(Notes, "only").wait.send()
        await only.kill()
        disk.is_damaged = True
        assert (await only.purge()).changed
        disk.is_damaged = False
        assert await runtime.client.actor(Notes, "whole").note("goes on") == 1
    assert examine(lab.store, 1).is_sound


BESIDE = {1: "whole", 5: "apart"}
"""By how many partitions there are, the key of an object in the same one as ``broken``, or in another."""


async def refused_purge(handle: actors.InvocationHandle[Any]) -> None:
    with raises(actors.UnavailableError, code="set_aside"):
        await handle.purge()


async def send_at(date: float, handler: Any) -> None:
    await trio.sleep_until(date)
    await handler.send()


@pytest.mark.parametrize("partitions", BESIDE)
@on_virtual_time
async def test_a_handler_hears_that_its_purge_was_refused(partitions: int) -> None:
    lab = Lab(Notes, partitions=partitions, store=SlowDisk())
    async with lab.running() as runtime:
        client = runtime.client
        handle = await client.actor(Notes, "broken").note.send("line")
        assert await handle.result() == 1
        busy_at, damaged_at = {1: (0.0, 0.2), 5: (1.0, 1.5)}[partitions]  # with a commit, when the purge is decided
        begun = trio.current_time()
        async with trio.open_nursery() as asking:
            asking.start_soon(send_at, begun + busy_at, client.actor(Notes, "broken").wait)
            await trio.sleep(0.1)
            asking.start_soon(hear_of_a_refusal, client.actor(Notes, BESIDE[partitions]), handle.id)
            await trio.sleep_until(begun + damaged_at)
            Damage(lab, "Notes", "broken")


async def hear_of_a_refusal(notes: Any, of: actors.InvocationId) -> None:
    assert await notes.purge(of) == "set_aside"


@pytest.mark.parametrize("partitions", BESIDE)
@on_virtual_time
async def test_an_answer_to_a_damaged_object_comes_when_it_is_repaired(partitions: int) -> None:
    lab, callee = Lab(Notes, partitions=partitions), BESIDE[partitions]
    async with lab.running() as runtime:
        asks = await runtime.client.actor(Notes, "broken").ask.send(callee)
        await trio.sleep(0.5)
    damage = Damage(lab, "Notes", "broken")
    async with lab.running() as runtime:
        await trio.sleep(5)
        assert await runtime.client.actor(Notes, callee).note("answered meanwhile") == 2
    damage.repair()
    async with lab.running() as runtime:
        with trio.fail_after(60):
            assert await runtime.client.invocation(asks.id).result() == "answered"


@pytest.mark.parametrize("partitions", BESIDE)
@on_virtual_time
async def test_a_call_that_a_damaged_object_refused_is_not_done_later(partitions: int) -> None:
    lab, caller = Lab(Notes, partitions=partitions), BESIDE[partitions]
    async with lab.running() as runtime:
        await runtime.client.actor(Notes, "broken").note("before")
    damage = Damage(lab, "Notes", "broken")
    async with lab.running() as runtime:
        assert "Notes/broken" in await runtime.client.actor(Notes, caller).ask("broken")
    damage.repair()
    async with lab.running() as runtime:
        await trio.sleep(5)
        assert await runtime.client.actor(Notes, "broken").note("after") == 2
    assert WORLD.entries == ["before", "after"]


@on_virtual_time
async def test_a_message_to_a_damaged_object_is_kept_once_however_long_it_waits() -> None:
    lab = Lab(Notes, partitions=1)
    async with lab.running() as runtime:
        await runtime.client.actor(Notes, "broken").note("before")
    damage = Damage(lab, "Notes", "broken")
    async with lab.running() as runtime:
        await runtime.client.actor(Notes, "whole").pass_on("broken", "kept")
        await trio.sleep(60)
    messages = [key for key, _ in lab.store.contents() if key[:1] in b"lt"]
    assert len(messages) == 1
    damage.repair()
    async with lab.running() as runtime:
        await trio.sleep(5)
        assert await runtime.client.actor(Notes, "broken").note("after") == 3


@on_virtual_time
async def test_on_a_full_disk_writes_are_refused_reads_go_on_and_work_resumes_by_itself() -> None:
    disk = Disk()
    lab = Lab(Notes, store=disk)
    async with lab.running() as runtime:
        notes = runtime.client.actor(Notes, "a")
        done = await notes.note.send("before")
        assert await done.result() == 1
        under_way = await notes.note.send("under way")
        disk.is_full = True
        for _ in range(3):
            with pytest.raises((actors.UnavailableError, actors.UnknownOutcomeError)):
                await notes.note("refused")
            await trio.sleep(2)
            assert (await done.info()).status is Status.COMPLETED
            assert [entry.name async for entry in done.events()][-1] == "InvocationCompleted"
            assert len(await runtime.client.invocations()) == 2
        disk.is_full = False
        await trio.sleep(2)
        assert await under_way.result() == 2
        assert await notes.note("after") == 3
        ended = (await runtime.client.figures()).ended
        assert ended["Notes", "note", OutcomeKind.SUCCEEDED] == 3, "what was decided and not kept is not counted"


class RefusesOnce(MemoryStore):
    """One on which a commit takes a second, and that refuses one of the next ones."""

    left = 0

    async def commit(self, batch: Batch) -> None:
        self.left -= 1
        is_refused = self.left == 0
        await trio.sleep(1)
        if is_refused:
            raise DiskFull("no room on the disk")
        await super().commit(batch)


async def _send_until_refused(notes: Any) -> None:
    with contextlib.suppress(actors.UnavailableError, actors.UnknownOutcomeError):
        for _ in range(8):
            await notes.note.send("one more")


@on_virtual_time
@pytest.mark.parametrize("changed", ["budget", "gate"])
async def test_a_commit_that_is_refused_while_a_rule_changes_does_not_end_the_engine(changed: str) -> None:
    for refused in range(1, 6):
        disk = RefusesOnce()
        async with Lab(Notes, store=disk).running() as runtime:
            client, notes = runtime.client, runtime.client.actor(Notes, "a")
            await client.gates.close("service:Notes")
            await client.limits.set("service:Notes", budget={"tokens": 10})
            disk.left = refused

            async with trio.open_nursery() as nursery:
                nursery.start_soon(_send_until_refused, notes)  # so that a commit is always on its way
                with contextlib.suppress(actors.UnavailableError, actors.UnknownOutcomeError):
                    if changed == "budget":
                        await client.limits.set("service:Notes", budget={"tokens": 20})
                    else:
                        await client.gates.open("service:Notes")
            assert disk.left <= 0
            await trio.sleep(10)
            await client.gates.open("service:Notes")
            assert await notes.note("after") >= 1


async def test_a_directory_in_use_names_the_process_that_has_it(tmp_path: Path) -> None:
    async with actors.open_runtime(Notes, path=tmp_path / "data") as runtime:
        with raises(StoreInUse, pid=os.getpid()):
            async with actors.open_runtime(Notes, path=tmp_path / "data"):
                pass
        await runtime.client.actor(Notes, "a").wait.send()


async def test_a_directory_of_another_format_says_which_and_is_left_alone(tmp_path: Path) -> None:
    async with actors.open_runtime(Notes, path=tmp_path / "data") as runtime:
        await runtime.client.actor(Notes, "a").wait.send()
    identity = tmp_path / "data" / "STORE"
    written = identity.read_bytes()
    identity.write_bytes(json.dumps(json.loads(written) | {"format": 99}).encode())
    with raises(StoreFormat, found=99):
        async with actors.open_runtime(Notes, path=tmp_path / "data"):
            pass
    identity.write_bytes(written)
    async with actors.open_runtime(Notes, path=tmp_path / "data") as runtime:
        assert len(await runtime.client.invocations()) == 1
