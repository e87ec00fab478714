"""Damage beside the events, planted: timers, messages between objects, items. Each is found, and mended where the events say how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
import trio

import actors
from actors import Actor, Log, Map, handler, step
from actors.core import commands as c
from actors.query.fsck.doctor import examine, rebuild
from actors.rows.audit import Principal
from actors.rows.timers import postponed_message
from journal import invocation_keys, keys
from journal.events import Stamp, Target
from journal.ids import InvocationId, StreamId, invocation_id, stream_of
from journal.kv.store import Batch, scan_all
from journal.log.inbox import decode_message, encode_message
from journal.log.kv_journal import KvJournal
from journal.log.protocol import Message
from journal.rows import PartitionState, encode_row
from tests.lab import Lab
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.query.fsck.report import FsckFinding

ME = Principal("user:me", "process")
DAY = 86_400.0


@step(retry=actors.RetryPolicy(initial_delay=1_000.0))
async def flop() -> None:
    raise OSError("not yet")


class Patient(Actor):
    notes: Log[str]
    values: Map[str, int]

    @handler
    async def write(self, note: str, value: int) -> None:
        self.notes.append(note)
        self.values[note] = value

    @handler
    async def sleep(self) -> None:
        await actors.sleep(10_000)

    @handler(retry=actors.RetryPolicy(initial_delay=1_000.0))
    async def fail(self) -> None:
        raise OSError("not yet")

    @handler
    async def fail_in_a_step(self) -> None:
        await flop()

    @handler
    async def wait(self) -> None:
        try:
            await actors.signal("go")
        except actors.CancelledError:
            await actors.signal("now")

    @handler
    async def ask(self, key: str) -> None:
        await actors.actor(Patient, key).wait()

    @handler
    async def pass_on(self, key: str) -> None:
        await actors.actor(Patient, key).write.send("passed on", 1)


async def lived(*, partitions: int = 1) -> Lab:
    """Stopped with a timer of each kind, items in two objects, and a caller that waits."""
    lab = Lab(Patient, partitions=partitions)
    async with lab.running() as runtime:
        for key in ("a", "b"):
            for note in ("one", "two", "three"):
                await runtime.client.actor(Patient, key).write(note, len(note))
        patient = runtime.client.actor
        await patient(Patient, "sleeps").sleep.send()
        await patient(Patient, "fails").fail.send()
        await patient(Patient, "flops").fail_in_a_step.send()
        await patient(Patient, "later").wait.options(delay=10_000.0).send()
        impatient = await patient(Patient, "impatient").wait.send()
        held = await patient(Patient, "held").fail_in_a_step.send()
        await patient(Patient, "asks").ask.send("asked")
        await trio.sleep(1)
        await impatient.cancel(kill_after=10_000.0)
        await held.pause()
        await trio.sleep(1)
    return lab


def look(lab: Lab) -> tuple[FsckFinding, ...]:
    return examine(lab.store, lab.partitions).findings


def rows_under(lab: Lab, prefix: bytes) -> dict[bytes, bytes]:
    return dict(scan_all(lab.store, prefix, keys.after_prefix(prefix)))


def plant(lab: Lab, rows: dict[bytes, bytes | None]) -> None:
    lab.store.apply(Batch(rows))


async def mended(lab: Lab) -> tuple[FsckFinding, ...]:
    journal = KvJournal(lab.store, partitions=lab.partitions, clock=lab.clock, secret="lab")
    return (await rebuild(journal, ME, retention_seconds=DAY)).findings


def only(findings: Iterable[FsckFinding], *, can_be_rebuilt: bool) -> str:
    (finding,) = findings
    assert finding.can_be_rebuilt is can_be_rebuilt
    return f"{finding.where}: {finding.what}"


@on_virtual_time
async def test_each_sort_of_timer_that_is_lost_is_found_and_set_again_as_it_was() -> None:
    lab = await lived()
    assert look(lab) == ()
    before = rows_under(lab, keys.dated_messages(0))
    assert len(before) == 5, "of a sleep, a retry, a step's retry, a delay, and a kill that a cancel asked for"
    for key in before:
        plant(lab, {key: None})
        assert only(look(lab), can_be_rebuilt=True) == f"the timers: nothing under {key.hex()}"
        assert await mended(lab) == ()
        assert rows_under(lab, keys.dated_messages(0)) == before


@on_virtual_time
async def test_a_timer_that_nobody_waits_for_is_found_and_taken_out() -> None:
    lab = await lived()
    before = rows_under(lab, keys.dated_messages(0))
    strangers = invocation_id(stream_of("Patient", "nobody"), 7)
    message = Message(
        f"{strangers}/due",
        stream_of("Patient", "nobody"),
        c.encode_command(c.StartDue(invocation_id=strangers), cause="timer", by="timer"),
        5_000.0,
    )
    plant(lab, {keys.dated_message(0, 5_000.0, message.id): encode_message(message)})
    assert only(look(lab), can_be_rebuilt=True).startswith("the timers: too much under")
    assert await mended(lab) == ()
    assert rows_under(lab, keys.dated_messages(0)) == before


@on_virtual_time
@pytest.mark.parametrize("how", ["another command", "another object", "no letter"])
async def test_a_timer_that_says_something_else_is_found_and_set_right(how: str) -> None:
    lab = await lived()
    before = rows_under(lab, keys.dated_messages(0))
    key, data = next(iter(before.items()))
    message = decode_message(data)
    of = InvocationId(message.id.partition("/")[0])
    kills = c.encode_command(c.KillInvocation(invocation_id=of, reason="wrong"), cause="timer", by="timer")
    wrong = {
        "another command": encode_message(attrs.evolve(message, data=kills)),
        "another object": encode_message(attrs.evolve(message, to=StreamId(message.to + 1))),
        "no letter": b"\xc1",
    }
    plant(lab, {key: wrong[how]})
    assert only(look(lab), can_be_rebuilt=True) == f"the timers: another value under {key.hex()}"
    assert await mended(lab) == ()
    assert rows_under(lab, keys.dated_messages(0)) == before


@on_virtual_time
async def test_a_mended_timer_comes() -> None:
    lab = await lived()
    plant(lab, dict.fromkeys(rows_under(lab, keys.dated_messages(0))))
    await mended(lab)
    async with lab.running() as runtime:
        [asleep] = await runtime.client.invocations(service="Patient", key="sleeps")
        with trio.fail_after(20_000):
            await runtime.client.invocation(asleep.id).result()


# Items.


@on_virtual_time
@pytest.mark.parametrize("damage", ["lost", "changed", "too many"])
@pytest.mark.parametrize("field", ["notes", "values"])
async def test_items_that_differ_from_what_the_whole_history_says_are_found_and_written_again(
    field: str, damage: str
) -> None:
    lab = await lived()
    prefix = keys.items(0, stream_of("Patient", "a"), field)
    before = rows_under(lab, prefix)
    assert len(before) == 3
    key = [*before][1]
    plant(
        lab,
        {"lost": {key: None}, "changed": {key: b'"wrong"'}, "too many": {prefix + b"\x00" * 7 + b"\x09": b'"x"'}}[
            damage
        ],
    )
    assert only(look(lab), can_be_rebuilt=True).startswith("items of Patient/a: ")
    assert await mended(lab) == ()
    assert rows_under(lab, prefix) == before


@on_virtual_time
async def test_where_a_part_of_the_history_is_purged_a_lost_item_of_a_log_is_found_and_not_made_up() -> None:
    lab = await lived()
    async with lab.running() as runtime:
        [*_, first] = await runtime.client.invocations(service="Patient", key="a")
        await runtime.client.invocation(first.id).purge()
    assert look(lab) == ()
    key = [*rows_under(lab, keys.items(0, stream_of("Patient", "a"), "notes"))][1]
    plant(lab, {key: None})
    told = "items of Patient/a: notes has 3 items according to its events, but only 2 are stored"
    assert only(look(lab), can_be_rebuilt=False) == told
    assert only(await mended(lab), can_be_rebuilt=False) == told
    plant(lab, {key: b'"two"', keys.log_item(0, stream_of("Patient", "a"), "notes", 8): b'"x"'})
    assert only(look(lab), can_be_rebuilt=False).endswith(
        "notes has 3 items according to its events, but also one at index 8"
    )


@on_virtual_time
async def test_items_of_no_object_are_found_and_left_where_they_are() -> None:
    lab = await lived()
    nobody = stream_of("Patient", "nobody")
    plant(lab, {keys.log_item(0, nobody, "notes", i): b'"x"' for i in range(3)})
    told = f"object {nobody:016x}: 3 items are stored, but the object has no events"
    assert only(look(lab), can_be_rebuilt=False) == told
    assert only(await mended(lab), can_be_rebuilt=False) == told


@on_virtual_time
async def test_an_object_whose_head_is_lost_is_found_and_nothing_of_it_is_cleared_away() -> None:
    lab = await lived()
    lost = stream_of("Patient", "a")
    plant(lab, {keys.head(0, lost): None})
    told = f"object {lost:016x}: it has events, but no head that gives their number"
    assert only(look(lab), can_be_rebuilt=False) == told
    before = rows_under(lab, keys.items_of_object(0, lost))
    assert only(await mended(lab), can_be_rebuilt=False) == told
    assert rows_under(lab, keys.items_of_object(0, lost)) == before


# Between objects.


@on_virtual_time
async def test_a_caller_whose_callee_is_gone_is_found() -> None:
    lab = await lived()
    asked = stream_of("Patient", "asked")
    gone = dict(scan_all(lab.store, b"", b"\xff"))
    of = next(
        invocation_keys.id_at_end(key) for key in gone if key.startswith(invocation_keys.invocations_of(0, asked))
    )
    plant(
        lab,
        {
            key: None
            for key in gone
            if key.startswith((keys.record(0, asked, 0)[:11], keys.head(0, asked), keys.owing(0, asked)))
            or key.endswith(of.encode())
            or key == keys.object_name(0, "Patient", "asked")
        },
    )
    told = only(await mended(lab), can_be_rebuilt=False)  # the counts are rebuilt
    assert told.endswith(f"it waits at step 1 for {of}, which is not open, and no answer is on its way")


FROM, TO = stream_of("Patient", "a"), stream_of("Patient", "to")


async def with_a_message(cause: str) -> tuple[Lab, bytes]:
    """A message that waits in the mailbox of a partition that nobody has read since, and its key."""
    lab = await lived(partitions=5)
    of = invocation_id(TO, 7)
    invoke = c.Invoke(invocation_id=of, target=Target("Patient", "to", "write"), argument=b"{}")
    journal = KvJournal(lab.store, partitions=lab.partitions, clock=lab.clock, secret="lab")
    await journal.send(Message("passed on", TO, c.encode_command(invoke, cause=cause, by="somebody")))
    [key] = rows_under(lab, keys.messages(TO % 5))
    return lab, key


@on_virtual_time
async def test_a_message_that_an_event_has_sent_is_sound() -> None:
    lab, _ = await with_a_message(f"{FROM:016x}#5")
    assert look(lab) == ()


@on_virtual_time
async def test_a_message_whose_sender_has_no_such_event_is_found() -> None:
    lab, _ = await with_a_message(f"{FROM:016x}#500")
    assert f"it was sent by event 500 of stream {FROM:016x}, but that stream ends at" in only(
        look(lab), can_be_rebuilt=False
    )
    lab, _ = await with_a_message("nobody")
    assert "its cause, 'nobody', does not name an event" in only(look(lab), can_be_rebuilt=False)


@on_virtual_time
async def test_of_a_message_whose_sender_was_purged_since_nothing_is_said_also_if_it_has_begun_anew() -> None:
    again = stream_of("Patient", "again")
    lab, _ = await with_a_message(f"{again:016x}#500")
    assert look(lab) == ()
    data = rows_under(lab, keys.messages(TO % 5))
    async with lab.running() as runtime:
        await trio.sleep(1)
        await runtime.client.actor(Patient, "again").write("anew", 1)
    plant(lab, dict(data))
    assert look(lab) == ()


@on_virtual_time
async def test_a_message_that_is_damaged_or_lies_where_nobody_looks_for_it_is_found() -> None:
    lab, key = await with_a_message(f"{FROM:016x}#5")
    before = rows_under(lab, key)
    plant(lab, {key: b"\xc1"})
    assert "a message cannot be decoded" in only(look(lab), can_be_rebuilt=False)
    elsewhere = keys.message((TO + 1) % 5, 0)
    plant(lab, {key: None, elsewhere: before[key]})
    assert f"it is for stream {TO:016x}, which is in partition {TO % 5}" in only(look(lab), can_be_rebuilt=False)
    plant(lab, {elsewhere: None, **before, keys.partition_state(TO % 5): encode_row(PartitionState(next_arrival=1))})
    assert "the next message would overwrite it: it gets number 1" in only(look(lab), can_be_rebuilt=False)


@on_virtual_time
async def test_a_message_that_comes_again_is_no_timer_and_is_looked_at_as_one_that_comes_first() -> None:
    lab = await lived()
    of = invocation_id(TO, 7)
    invoke = c.Invoke(invocation_id=of, target=Target("Patient", "to", "write"), argument=b"{}")
    message = postponed_message(TO, 5_000.0, invoke, Stamp(1.0, f"{FROM:016x}#5", "somebody"), epoch=1)
    key = keys.dated_message(0, 5_000.0, message.id)
    plant(lab, {key: encode_message(message)})
    assert look(lab) == ()
    plant(lab, {key: encode_message(attrs.evolve(message, data=b"\xc1"))})
    assert f"message {message.id} in partition 0" in only(look(lab), can_be_rebuilt=False)
