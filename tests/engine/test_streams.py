"""Long outputs: they fill no history, slow no replay, survive crashes whole, and go with their invocation."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import actors
from actors import Actor, Limits, RetryPolicy, Service, Status, handler, step
from actors.errors import ErrorCode, MisuseError
from actors.query.fsck.doctor import examine, rebuild
from actors.query.fsck.report import FsckFinding
from actors.rows.audit import Principal
from journal import keys
from journal.errors import DamagedOutput
from journal.kv.memory import MemoryStore
from journal.kv.store import Batch, scan_all
from journal.log.kv_journal import KvJournal
from journal.log.outputs import read_whole_output
from journal.output import ROW_BYTES
from tests.lab import WORLD, Lab, SlowDisk, until
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


@step
async def speak(words: int, every: int = 0) -> int:
    """Emits this many numbers, with a pause after each ``every`` of them."""
    WORLD.note("run")
    for nth in range(words):
        actors.emit(nth)
        if every and nth % every == every - 1:
            await trio.sleep(1.0)
    return words


@step(retry=RetryPolicy(max_attempts=3, initial_delay=1.0))
async def stutter() -> None:
    WORLD.note("try")
    actors.emit("one")
    await trio.sleep(1)
    actors.emit("two")
    if WORLD.count("try") < 3:
        raise ConnectionError("again")


class Speaker(Service):
    @handler
    async def say(self, words: int, every: int = 0) -> str:
        said = await speak(words, every)
        await actors.sleep(100)
        return f"said {said}"

    @handler
    async def both(self) -> str:
        actors.emit("begin")
        await stutter()
        actors.emit("middle")
        await speak(3, 1)
        actors.emit("end")
        return "done"

    @handler
    async def babble(self, words: int) -> None:
        for nth in range(words):
            actors.emit(nth)
        await actors.sleep(1)

    @handler
    async def blurt(self, words: int) -> int:
        for nth in range(words):
            actors.emit(nth)
        return words

    @handler
    async def beside(self) -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(self.one, "a", 1.0)
            nursery.start_soon(self.one, "b", 1.5)

    async def one(self, name: str, seconds: float) -> None:
        for nth in range(3):
            await actors.sleep(seconds)
            actors.emit(f"{name}{nth}")

    @handler
    async def heedless(self) -> None:
        actors.emit("before")
        await deaf()
        actors.emit("after")


@step
async def deaf() -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(2)


@step(loop="asyncio")
async def flood(pieces: int) -> None:
    """Emits from the thread of an event loop of asyncio, without a pause."""
    for _ in range(pieces):
        actors.emit(1)


class Flood(Service):
    @handler
    async def alone(self) -> None:
        await flood(5_000)

    @handler
    async def twice(self) -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(flood, 5_000)
            nursery.start_soon(flood, 5_000)

    @handler
    async def just_enough(self) -> None:
        for _ in range(4):
            await flood(25)


class Chat(Actor):
    @handler
    async def ask(self, words: int) -> None:
        await speak(words)


async def output(handle: actors.InvocationHandle[Any]) -> list[Any]:
    return [value async for value in handle.output()]


def rows_of(lab: Lab, of: actors.InvocationId) -> list[bytes]:
    found: list[bytes] = []
    for partition in range(lab.partitions):
        prefix = keys.output_of(partition, of)
        found += [row for _, row in scan_all(lab.store, prefix, keys.after_prefix(prefix))]
    return found


async def test_twenty_thousand_pieces_are_no_events_and_a_few_rows() -> None:
    lab = Lab(Speaker)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).say.send(20_000, 1_000)
        await until(lambda: len(rows_of(lab, handle.id)) > 0)
        await trio.sleep(21)
        events = [entry async for entry in handle.events()]
        assert len(events) < 10
        rows = rows_of(lab, handle.id)
        assert len(rows) < 100
        assert max(map(len, rows)) < 2 * ROW_BYTES + 128
        await handle.result()
        assert await output(handle) == [*range(20_000)]


async def test_a_replay_reads_no_pieces() -> None:
    lab = Lab(Speaker)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).say.send(10_000)
        await trio.sleep(1)
    read: list[bytes] = []
    lab.store = _Watched(lab.store.contents(), read)
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == "said 10000"
    assert WORLD.count("run") == 1
    assert not any(key.startswith(keys.outputs(0)) for key in read)


class _Watched(MemoryStore):
    """A store that notes the rows that are read."""

    def __init__(self, contents: Any, read: list[bytes]) -> None:
        super().__init__(contents)
        self._read = read

    def get(self, key: bytes) -> bytes | None:
        self._read.append(key)
        return super().get(key)

    def scan(self, start: bytes, stop: bytes, *, limit: int = 256, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        found = super().scan(start, stop, limit=limit, reverse=reverse)
        self._read += [key for key, _ in found]
        return found


async def test_a_reader_that_comes_back_after_every_crash_gets_each_piece_once() -> None:
    whole = ["begin", "one", "two", "middle", 0, 1, 2, "end"]
    for crash_after in range(1, 12):
        WORLD.clear()
        lab, got, last = Lab(Speaker), list[Any](), 0
        async with lab.running() as runtime:
            handle = await runtime.client.service(Speaker).both.send()
        for nth in range(30):
            async with lab.running() as runtime:
                with trio.move_on_after(crash_after * 0.3 + nth * 0.2):
                    async for chunk in runtime.client.invocation(handle.id).chunks(after=last):
                        got.append(chunk.value)
                        last = chunk.number
                    break
        assert got == whole, f"crash after {crash_after}"


async def test_a_live_reader_that_comes_back_is_told_what_of_its_pieces_is_void() -> None:
    lab, shown, last = Lab(Speaker), dict[str, list[Any]](), 0
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).both.send()
    for seconds in (0.5, 1.2, 1.2, 3.0, 1.2, 1000.0):
        async with lab.running() as runtime:
            with trio.move_on_after(seconds):
                async for chunk in runtime.client.invocation(handle.id).chunks(after=last, live=True):
                    if chunk.is_reset:
                        shown[chunk.step] = []
                    else:
                        shown.setdefault(chunk.step, []).append(chunk.value)
                    last = chunk.number
    assert shown == {"": ["begin", "middle", "end"], "1": ["one", "two"], "2": [0, 1, 2]}


async def test_after_two_crashes_a_late_reader_sees_the_stream_whole() -> None:
    lab = Lab(Speaker)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).both.send()
        await trio.sleep(1.5)
    async with lab.running() as runtime:
        await trio.sleep(2.5)
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        assert await output(handle) == ["begin", "one", "two", "middle", 0, 1, 2, "end"]
        assert await output(handle) == ["begin", "one", "two", "middle", 0, 1, 2, "end"]
        assert examine(lab.store, 1).findings == ()


async def test_pieces_come_before_the_end_of_their_step_on_a_slow_disk() -> None:
    lab = Lab(Speaker, store=SlowDisk())
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).say.send(10, 2)
        async for entry in handle.follow():
            if entry.name == "StepCompleted":
                pieces = sum(
                    len(run.values) for run in read_whole_output(runtime.client._backend.engine.journal, 0, handle.id)
                )
                assert pieces == 10
                break


async def test_what_branches_emit_is_recorded_once_whenever_the_process_ends() -> None:
    expected: list[Any] | None = None
    for seconds in (100.0, 0.7, 1.1, 1.6):
        lab = Lab(Speaker)
        async with lab.running() as runtime:
            handle = await runtime.client.service(Speaker).beside.send()
        for _ in range(40):
            async with lab.running() as runtime:
                await trio.sleep(seconds)
        async with lab.running() as runtime:
            found = await output(runtime.client.invocation(handle.id))
        expected = expected or found
        assert sorted(found) == ["a0", "a1", "a2", "b0", "b1", "b2"]
        assert found == expected


async def test_a_turn_that_a_cancel_makes_void_leaves_no_piece() -> None:
    lab = Lab(Speaker)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).heedless.send()
        await trio.sleep(1)
        await handle.cancel()
        assert await output(handle) == ["before"]
        assert "CancelDeliveredEarlier" in [entry.name async for entry in handle.events()]


async def test_a_reader_that_does_not_follow_gets_what_is_final_or_with_live_everything_so_far() -> None:
    lab = Lab(Speaker)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).both.send()
        await trio.sleep(1.5)
        assert [chunk.value async for chunk in handle.chunks(follow=False)] == ["begin"]
        live = [chunk.value async for chunk in handle.chunks(follow=False, live=True)]
        assert live == ["begin", "one", "two", None]
        await handle.result()
        assert [chunk.value async for chunk in handle.chunks(follow=False)] == await output(handle)


async def test_cancel_keeps_what_was_emitted() -> None:
    lab = Lab(Speaker)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).say.send(100, 10)
        await trio.sleep(2.5)
        await handle.cancel()
        assert await output(handle) == [*range(30)]


async def test_a_restart_inside_a_stream_keeps_the_steps_before_and_emits_the_rest_again() -> None:
    lab = Lab(Speaker)
    async with lab.running() as runtime:
        first = await runtime.client.service(Speaker).both.send()
        await first.result()
        answer = await first.restart("speak")
        again = runtime.client.invocation(answer.successor.invocation_id)
        assert await output(again) == ["begin", "one", "two", "middle", 0, 1, 2, "end"]
        heard = ["reset" if chunk.is_reset else chunk.value async for chunk in again.chunks(live=True)]
        assert heard == ["begin", "one", "two", "middle", 0, 1, 2, "end"]
        assert WORLD.count("run") == 2
        assert WORLD.count("try") == 3
        assert examine(lab.store, 1).findings == ()


async def test_a_restart_of_what_runs_takes_pieces_that_are_in_no_commit_yet() -> None:
    lab = Lab(Speaker, store=SlowDisk())
    async with lab.running() as runtime:
        first = await runtime.client.service(Speaker).say.send(4, 1)
        await trio.sleep(30)
        answer = await first.restart("end", stop="kill")
        again = runtime.client.invocation(answer.successor.invocation_id)
        assert await output(again) == [0, 1, 2, 3]


async def test_a_step_cannot_emit_beyond_the_limit() -> None:
    lab = Lab(Speaker, limits=Limits(output_pieces=10))
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).say.send(11)
        with pytest.raises(actors.LimitExceededError) as failed:
            await handle.result()
        assert failed.value.limit == "output_pieces"
        assert await output(handle) == []
    lab = Lab(Speaker, limits=Limits(output_bytes=20))
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).say.send(30)
        with pytest.raises(actors.LimitExceededError) as failed:
            await handle.result()
        assert failed.value.limit == "output_bytes"


@pytest.mark.parametrize(
    ("limits", "name", "most"),
    [(Limits(output_pieces=100), "output_pieces", 100), (Limits(output_bytes=200), "output_bytes", 200)],
)
async def test_what_a_thread_emits_is_within_the_limit_to_the_piece(limits: Limits, name: str, most: int) -> None:
    lab = Lab(Flood, limits=limits)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Flood).alone.send()
        with pytest.raises(actors.LimitExceededError) as failed:
            await handle.result()
        assert (failed.value.limit, failed.value.found) == (name, most + 1)
        stored = [chunk async for chunk in handle.chunks(live=True, follow=False) if not chunk.is_reset]
        assert len(stored) == most


async def test_the_limit_is_for_the_steps_of_one_invocation_together() -> None:
    lab = Lab(Flood, limits=Limits(output_pieces=100))
    async with lab.running() as runtime:
        handle = await runtime.client.service(Flood).twice.send()
        with pytest.raises(actors.ActorError):
            await handle.result()
        stored = [chunk async for chunk in handle.chunks(live=True, follow=False) if not chunk.is_reset]
        assert 0 < len(stored) <= 100


async def test_what_a_thread_emits_counts_no_longer_as_queued_once_it_is_taken() -> None:
    lab = Lab(Flood, limits=Limits(output_pieces=100))
    async with lab.running() as runtime:
        handle = await runtime.client.service(Flood).just_enough.send()
        await handle.result()
        assert len(await output(handle)) == 100


@pytest.mark.parametrize("how", ["babble", "blurt"])
async def test_a_handler_beyond_the_limit_is_paused_and_continues_under_a_higher_one(how: str) -> None:
    lab = Lab(Speaker, limits=Limits(output_pieces=10))
    async with lab.running() as runtime:
        handle = await runtime.client.send(f"Speaker/{how}", 11)
        await trio.sleep(1)
        info = await handle.info()
        assert info.status is Status.PAUSED
        assert "output_pieces" in (info.pause_reason or "")
    lab.limits = Limits()
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        await handle.resume()
        assert await output(handle) == [*range(11)]


def test_verbs_of_handlers_name_themselves_elsewhere() -> None:
    for verb in (actors.uuid4, actors.random):
        with raises(MisuseError, code=ErrorCode.OUTSIDE_HANDLER, match=verb.__name__):
            verb()
    with raises(MisuseError, code=ErrorCode.OUTSIDE_HANDLER):
        actors.emit(1)


async def test_a_purge_leaves_no_row_of_an_output() -> None:
    lab = Lab(Speaker, Chat, partitions=2)
    async with lab.running() as runtime:
        ended = await runtime.client.service(Speaker).both.send()
        kept = await runtime.client.actor(Chat, "ada").ask.send(2_000)
        gone = await runtime.client.actor(Chat, "ada").ask.send(2_000)
        for handle in (ended, kept, gone):
            await handle.result()
        await ended.purge()
        await gone.purge()
        assert await output(kept) == [*range(2_000)]
        assert rows_of(lab, ended.id) == rows_of(lab, gone.id) == []
        assert {key for partition in range(2) for key in _heads(lab, partition)} == {kept.id}
    assert examine(lab.store, 2).findings == ()


def _heads(lab: Lab, partition: int) -> list[str]:
    prefix = keys.output_heads(partition)
    return [keys.invocation_of_output_head(key) for key, _ in scan_all(lab.store, prefix, keys.after_prefix(prefix))]


async def test_retention_of_nothing_leaves_no_row_of_an_output() -> None:
    lab = Lab(Speaker, retention=0.0)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).both.send()
        await trio.sleep(60)
        assert rows_of(lab, handle.id) == []
    assert _heads(lab, 0) == []


async def stored() -> tuple[Lab, actors.InvocationId]:
    lab = Lab(Speaker)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).say.send(5_000, 500)
        await handle.result()
    assert examine(lab.store, 1).findings == ()
    return lab, handle.id


async def mended(lab: Lab) -> tuple[FsckFinding, ...]:
    journal = KvJournal(lab.store, partitions=1, clock=lab.clock, secret="lab")
    return (await rebuild(journal, Principal("me", "test"), retention_seconds=60.0)).findings


async def test_doctor_writes_a_lost_or_wrong_head_again() -> None:
    lab, of = await stored()
    head = keys.output_head(0, of)
    right = lab.store.get(head)
    for wrong in (None, b"\xc1"):
        lab.store.apply(Batch({head: wrong}))
        (finding,) = examine(lab.store, 1).findings
        assert finding.can_be_rebuilt
        assert await mended(lab) == ()
        assert lab.store.get(head) == right


@pytest.mark.parametrize("how", ["a lost row", "the last row lost", "wrong bytes", "a row that is cut off"])
async def test_doctor_finds_pieces_that_are_lost_or_damaged(how: str) -> None:
    lab, of = await stored()
    prefix = keys.output_of(0, of)
    rows = [*scan_all(lab.store, prefix, keys.after_prefix(prefix))]
    (key, row), (last, _) = rows[1], rows[-1]
    planted: dict[str, dict[bytes, bytes | None]] = {
        "a lost row": {key: None},
        "the last row lost": {last: None},
        "wrong bytes": {key: row[:8] + b"\xff" + row[9:]},
        "a row that is cut off": {key: row[:-3]},
    }
    lab.store.apply(Batch(planted[how]))
    (finding,) = examine(lab.store, 1).findings
    assert (of in finding.where, finding.can_be_rebuilt) == (True, False)
    async with lab.running() as runtime:
        if how != "the last row lost":
            with pytest.raises(DamagedOutput):
                await output(runtime.client.invocation(of))


async def test_doctor_removes_the_output_of_an_invocation_that_does_not_exist() -> None:
    lab, of = await stored()
    stranger = keys.InvocationId(of[:-1] + ("0" if of[-1] != "0" else "1"))
    rows = {keys.output(0, stranger, 1): b"?", keys.output_head(0, stranger): b"?"}
    lab.store.apply(Batch({**rows}))
    (finding,) = examine(lab.store, 1).findings
    assert finding.can_be_rebuilt
    assert await mended(lab) == ()
    assert not any(lab.store.get(key) for key in rows)


async def test_sql_shows_the_pieces_with_their_marks() -> None:
    lab = Lab(Speaker)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Speaker).both.send()
        await handle.result()
        found = await runtime.client.query(
            'SELECT kind, step, attempt, "offset", value FROM sys_output WHERE invocation_id = ? ORDER BY position',
            [handle.id],
        )
        assert [tuple(row) for row in found.rows][:5] == [
            ("chunk", None, 0, 0, '"begin"'),
            ("chunk", "1", 1, 0, '"one"'),
            ("chunk", "1", 1, 1, '"two"'),
            ("reset", "1", 1, 0, None),
            ("chunk", "1", 2, 0, '"one"'),
        ]
        every = await runtime.client.query("SELECT count(*) FROM sys_output WHERE kind = 'chunk'")
        assert every.rows[0][0] == 3 + 6 + 3
