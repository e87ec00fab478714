"""An invocation that makes the engine fail is paused, or its object is set aside. The runtime and its next start go on."""

from __future__ import annotations

import logging
import math
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

import actors
import actors.engine.executor
import actors.engine.fused_records
import actors.engine.machine
import actors.engine.sealer
from actors import Actor, RetryPolicy, Service, handler, step
from actors.control.local.health import HealthStatus
from actors.core import effects as f
from actors.core.evolve import evolve
from actors.core.resumed import with_last_turn, with_resumed_turn
from actors.query.fsck.doctor import examine, rebuild
from actors.query.fsck.set_aside import find_set_aside
from actors.rows.audit import Principal
from journal import events as e
from journal import keys
from journal.events import PauseCause, Status
from journal.ids import stream_of
from journal.kv.store import Batch
from journal.log.inbox import decode_message, encode_message
from journal.log.kv_journal import KvJournal
from tests.hostile.values import BODIES
from tests.lab import WORLD, Lab, quiet
from tests.long_way import about_the_short_way
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = on_virtual_time


STRANGE, ODD = RetryPolicy(), RetryPolicy()
for policy, name, value in ((STRANGE, "terminal", 5), (ODD, "max_attempts", "ten"), (ODD, "initial_delay", math.nan)):
    object.__setattr__(policy, name, value)  # as no definition lets it be


@step
async def first() -> int:
    await trio.sleep(0.05)
    return 1


@step
async def long_work() -> None:
    await trio.sleep(1_000)


@step(retry=STRANGE)
async def refused_under_a_strange_policy() -> None:
    raise ValueError("no")


@step(retry=ODD)
async def refused_under_an_odd_policy() -> None:
    raise ValueError("no")


@step(retry=RetryPolicy(max_attempts=2, initial_delay=0.1))
async def do(body: str) -> str:
    WORLD.note(body)
    await BODIES[body]()
    return "done"


class Poison(Service):
    @handler(retry=STRANGE)
    async def strange_policy(self) -> None:
        await first()
        raise ValueError("no")

    @handler(retry=ODD)
    async def odd_policy(self) -> None:
        await first()
        raise ValueError("no")

    @handler
    async def strange_policy_of_a_step(self) -> None:
        await first()
        await refused_under_a_strange_policy()

    @handler
    async def odd_policy_of_a_step(self) -> None:
        await first()
        await refused_under_an_odd_policy()

    @handler
    async def body(self, which: str) -> str:
        return await do(which)


class Account(Actor):
    balance: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.balance += amount
        await first()
        return self.balance

    @handler
    async def rest(self) -> int:
        await actors.sleep(10)
        return self.balance

    @handler
    async def work(self) -> None:
        await long_work()

    @handler
    async def ask(self, key: str) -> str:
        try:
            await actors.actor(Account, key).add(1)
        except actors.TerminalError as error:
            return type(error).__name__
        return "answered"


class Bystander(Actor):
    count: int = 0

    @handler
    async def add(self) -> int:
        self.count += 1
        return self.count


async def alive(runtime: actors.Runtime) -> None:
    """An object that has nothing to do with it answers, and its answer is durable."""
    with trio.fail_after(5):
        await runtime.client.actor(Bystander, "b").add()


def causes_of(entries: list[Any]) -> set[str]:
    return {entry.details["cause"] for entry in entries if entry.name == "InvocationPaused"}


POISONS = ["strange_policy", "odd_policy", "strange_policy_of_a_step", "odd_policy_of_a_step"]


@pytest.mark.parametrize("name", POISONS)
async def test_what_makes_the_engine_fail_pauses_its_invocation(name: str) -> None:
    lab = Lab(Poison, Bystander)
    async with lab.running() as runtime:
        handle = await getattr(runtime.client.service(Poison), name).send()
        await trio.sleep(60)
        await alive(runtime)
    for _ in range(2):
        async with lab.running() as runtime:
            await trio.sleep(60)
            await alive(runtime)
            held = runtime.client.invocation(handle.id)
            info = await held.info()
            assert info.status is Status.PAUSED
            assert "Traceback" in info.pause_reason
            assert causes_of([entry async for entry in held.events()]) == {PauseCause.HANDLER.value}
            await held.resume()
    async with lab.running() as runtime:
        await runtime.client.invocation(handle.id).kill()
        await alive(runtime)


# Bodies that leave trio's scopes and nurseries otherwise than they found them.


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("which", BODIES)
async def test_a_body_that_leaves_a_scope_or_a_nursery_open_fails_alone(which: str) -> None:
    lab = Lab(Poison, Bystander)
    async with lab.running() as runtime:
        handle = await runtime.client.service(Poison).body.send(which)
        await trio.sleep(60)
        await alive(runtime)
        status = (await handle.info()).status
    tries = WORLD.count(which)
    assert (status, tries) in {(Status.COMPLETED, 1), (Status.PAUSED, 2)}
    async with lab.running() as runtime:
        await trio.sleep(60)
        await alive(runtime)
        assert (await runtime.client.invocation(handle.id).info()).status is status
        assert WORLD.count(which) == tries


# Faults of the engine's own, planted.


class Faults:
    """Makes the engine fail where it records an event, or does what follows from it, as long as ``armed``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.armed = False
        self._monkeypatch = monkeypatch

    def disarm(self) -> bool:
        """It fails this once."""
        self.armed = False
        return True

    def break_evolving(self, *kinds: type) -> None:
        """After the state has been changed by half."""

        def broken(state: Any, number: int, stamp: Any, event: Any) -> Any:
            after = evolve(state, number, stamp, event)
            if self.armed and isinstance(event, kinds) and after.service == "Account":
                raise ZeroDivisionError("planted")
            return after

        def broken_turn(state: Any, turn: Any, first: int, change: Any = with_last_turn) -> Any:
            after = change(state, turn, first)
            ended = turn.expand(first)[0][1]
            if self.armed and isinstance(ended, kinds) and state.service == "Account":
                raise ZeroDivisionError("planted")
            return after

        self._monkeypatch.setattr(actors.engine.machine, "evolve", broken)
        self._monkeypatch.setattr(actors.engine.fused_records, "with_last_turn", broken_turn)
        going_on = partial(broken_turn, change=with_resumed_turn)
        self._monkeypatch.setattr(actors.engine.fused_records, "with_resumed_turn", going_on)

    def break_doing(self, kind: type[f.Effect]) -> None:
        """In place of an effect."""
        of_machine: Any = actors.engine.machine._DEEDS
        deeds: Any = of_machine if kind in of_machine else actors.engine.executor._DEEDS
        done: Any = deeds[kind]

        def broken(machine: Any, loaded: Any, effect: Any, recorded: Any) -> None:
            if self.armed and loaded.state.service == "Account":
                raise ZeroDivisionError("planted")
            done(machine, loaded, effect, recorded)

        self._monkeypatch.setitem(deeds, kind, broken)

    def break_in(self, name: str, applies: Callable[..., bool], module: Any = actors.engine.machine) -> None:
        """A function that the machine, or another module, uses."""
        done = getattr(module, name)

        def broken(*args: Any, **kwargs: Any) -> Any:
            if self.armed and applies(*args, **kwargs):
                raise ZeroDivisionError("planted")
            return done(*args, **kwargs)

        self._monkeypatch.setattr(module, name, broken)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    return Faults(monkeypatch)


async def test_a_fault_of_the_engine_pauses_the_invocation_and_takes_back_what_it_had_begun(faults: Faults) -> None:
    faults.break_evolving(e.StepCompleted)
    lab = Lab(Account, Bystander)
    async with lab.running() as runtime:
        account = runtime.client.actor(Account, "alice")
        assert await account.add(1) == 1
        faults.armed = True
        handle = await account.add.send(2)
        await trio.sleep(5)
        await alive(runtime)
        assert (await handle.info()).status is Status.PAUSED
        entries = [entry async for entry in handle.events()]
        assert causes_of(entries) == {PauseCause.ENGINE.value}
        assert "StepCompleted" not in [entry.name for entry in entries]
        faults.armed = False
        await handle.resume()
        assert await handle.result() == 3
    assert examine(lab.store, 1).is_sound


async def test_an_object_that_cannot_even_pause_is_set_aside_until_the_next_start(faults: Faults) -> None:
    faults.break_evolving(e.StepCompleted, e.InvocationPaused)
    lab = Lab(Account, Bystander)
    async with lab.running() as runtime:
        account = runtime.client.actor(Account, "alice")
        faults.armed = True
        handle = await account.add.send(2)
        with trio.fail_after(5), raises(actors.UnavailableError, code="set_aside"):
            await handle.result()
        for use in (lambda: account.add(1), handle.kill, handle.resume):
            with raises(actors.UnavailableError, code="set_aside"):
                await use()
        await alive(runtime)
        assert await runtime.client.actor(Account, "bob").ask("alice") == "UnavailableError"
    faults.armed = False
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == 2
    assert examine(lab.store, 1).is_sound


async def test_everybody_is_told_of_an_object_that_is_set_aside(faults: Faults) -> None:
    faults.break_evolving(e.StepCompleted, e.InvocationPaused)
    lab = Lab(Account, Bystander)
    async with lab.running() as runtime:
        assert runtime.client.health().status is HealthStatus.OK
        faults.armed = True
        handle = await runtime.client.actor(Account, "alice").add.send(2)
        await trio.sleep(5)
        health = runtime.client.health()
        assert [(reason.code, reason.stops_work) for reason in health.reasons] == [("objects-set-aside", False)]
        assert health.takes_work
        [entry] = (await runtime.client.audit(verb="set-aside")).entries
        assert (entry.target, entry.by, entry.changed) == ("Account/alice", "engine", True)
        assert "Account/alice" in health.reasons[0].message
    assert [finding.where for finding in find_set_aside(lab.store, 1)] == ["object Account/alice"]
    faults.armed = False
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == 2
        assert runtime.client.health().status is HealthStatus.OK
    assert [*find_set_aside(lab.store, 1)] == [], "it has gone on since"


async def test_an_object_that_is_set_aside_stays_so_however_many_are_used(faults: Faults) -> None:
    faults.break_evolving(e.StepCompleted, e.InvocationPaused)
    async with Lab(Account, Bystander, limits=actors.Limits(idle_objects=2)).running() as runtime:
        faults.armed = True
        await runtime.client.actor(Account, "alice").add.send(2)
        await trio.sleep(5)
        faults.armed = False
        for number in range(10):
            await runtime.client.actor(Account, f"other {number}").add(1)
        with raises(actors.UnavailableError, code="set_aside"):
            await runtime.client.actor(Account, "alice").add(1)


async def test_an_object_that_cannot_be_taken_up_does_not_end_the_start(faults: Faults) -> None:
    lab = Lab(Account, Bystander)
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Account, "alice").work.send()
        await trio.sleep(5)
    faults.break_doing(f.StartAttempt)
    faults.armed = True
    async with lab.running() as runtime:
        await trio.sleep(5)
        await alive(runtime)
        with raises(actors.UnavailableError, code="set_aside"):
            await runtime.client.invocation(handle.id).kill()


@about_the_short_way("breaks what records a call as a whole")
async def test_an_end_that_was_not_recorded_leaves_no_row(faults: Faults) -> None:
    def is_end(state: Any, *_: object) -> bool:
        return state.service == "Account" and faults.disarm()

    faults.break_in("with_last_turn", is_end, actors.engine.fused_records)
    lab = Lab(Account, Bystander)
    async with lab.running() as runtime:
        faults.armed = True
        handle = await runtime.client.actor(Account, "alice").add.send(1)
        await trio.sleep(5)
        assert (await handle.info()).status is Status.PAUSED
        await handle.resume()
        assert await handle.result() == 1
    assert examine(lab.store, 1).is_sound


class Unreachable(logging.Handler):
    """Of a user's: it sends records to a server that is away."""

    def emit(self, record: logging.LogRecord) -> None:
        WORLD.note(record.name)
        raise ConnectionError("no log server")


@pytest.mark.parametrize("raises", ["handler", "filter"])
async def test_a_log_handler_that_raises_stops_nothing(raises: str, monkeypatch: pytest.MonkeyPatch) -> None:
    handler_, root = Unreachable(), logging.getLogger()
    if raises == "filter":
        handler_.addFilter(handler_.emit)  # type: ignore[arg-type]  # it answers nothing
    monkeypatch.setattr(root, "handlers", [handler_])
    lab = Lab(Account, Poison, Bystander)
    for _ in range(2):
        async with lab.running() as runtime:
            await runtime.client.service(Poison).body.send("raises a stray cancel")
            await trio.sleep(60)
            await alive(runtime)
            statuses = {info.status for info in await runtime.client.invocations()}
            assert statuses == {Status.COMPLETED, Status.PAUSED}
    assert "actors.engine.event_log" in WORLD.entries


async def test_rows_that_cannot_be_written_leave_the_events_on_disk_and_can_be_built_again(faults: Faults) -> None:
    faults.break_in("index_invocation", lambda *args: args[3].state.service == "Account", actors.engine.sealer)
    lab = Lab(Account, Bystander)
    async with lab.running() as runtime:
        account = runtime.client.actor(Account, "alice")
        assert await account.add(1) == 1
        faults.armed = True
        with raises(actors.UnavailableError, code="set_aside"):
            await account.add(2)
        await alive(runtime)
    assert not examine(lab.store, 1).is_sound
    faults.armed = False
    await rebuild(journal_of(lab), Principal("tests", "tests"), retention_seconds=3600.0)
    assert examine(lab.store, 1).is_sound
    async with lab.running() as runtime:
        await trio.sleep(5)
        assert await runtime.client.actor(Account, "alice").add(4) == 7


async def test_a_lost_effect_sets_its_object_aside_and_the_doctor_finds_it(faults: Faults) -> None:
    faults.break_doing(f.SetTimer)
    lab = Lab(Account, Bystander)
    async with lab.running() as runtime:
        faults.armed = True
        handle = await runtime.client.actor(Account, "alice").rest.send()
        with trio.fail_after(5), raises(actors.UnavailableError, code="set_aside"):
            await handle.result()
        await alive(runtime)
    assert [finding.where for finding in examine(lab.store, 1).findings] == ["the timers"]
    faults.armed = False
    await rebuild(journal_of(lab), Principal("tests", "tests"), retention_seconds=3600.0)
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handle.id).result() == 0


async def test_an_object_on_which_the_engine_fails_at_a_start_lets_the_others_start(faults: Faults) -> None:
    lab = Lab(Account, Bystander)
    async with lab.running() as runtime:
        handles = [await runtime.client.actor(Account, key).rest.send() for key in ("alice", "bob")]
        await quiet()
    faults.break_in("decide", lambda state, *_: state is not None and state.key == "alice")
    faults.armed = True
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handles[1].id).result() == 0
        await alive(runtime)
        with raises(actors.UnavailableError, code="set_aside"):
            await runtime.client.actor(Account, "alice").add(1)
    faults.armed = False
    async with lab.running() as runtime:
        assert await runtime.client.invocation(handles[0].id).result() == 0


async def test_a_question_on_which_the_engine_fails_is_refused_and_changes_nothing(faults: Faults) -> None:
    faults.break_evolving(e.CancelRequested)
    lab = Lab(Account, Bystander)
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Account, "alice").rest.send()
        await quiet()
        faults.armed = True
        with pytest.raises(actors.errors.InternalError):
            await handle.cancel(reason="now")
        assert (await handle.info()).status is Status.SUSPENDED
        await alive(runtime)
        assert await handle.result() == 0
    assert examine(lab.store, 1).is_sound


async def test_an_answer_on_which_the_engine_fails_is_given_again(faults: Faults) -> None:
    """The callee has ended, and says so once: an answer that was lost would leave its caller waiting for ever."""
    faults.break_evolving(e.CallCompleted)
    lab = Lab(Account, Bystander)
    async with lab.running() as runtime:
        faults.armed = True
        handle = await runtime.client.actor(Account, "bob").ask.send("alice")
        await trio.sleep(5)
        assert (await handle.info()).status is Status.PAUSED
        await alive(runtime)
    faults.armed = False
    async with lab.running() as runtime:
        handle = runtime.client.invocation(handle.id)
        await trio.sleep(5)
        await handle.resume()
        assert await handle.result() == "answered"


# What lies on the disk.


def journal_of(lab: Lab) -> KvJournal:
    return KvJournal(lab.store, partitions=lab.partitions, clock=lab.clock, secret="lab")


@pytest.mark.parametrize("is_its_command", [False, True])
async def test_a_message_that_cannot_be_read_stays_and_the_others_are_handed_out(is_its_command: bool) -> None:
    lab = Lab(Account, Bystander)
    async with lab.running() as runtime:
        handles = [await runtime.client.actor(Account, key).rest.send() for key in ("alice", "bob")]
        await quiet()
    prefix = keys.dated_messages(0)
    (key, message), *_ = lab.store.scan(prefix, keys.after_prefix(prefix))
    damaged = encode_message(attrs.evolve(decode_message(message), data=b"\x93\xff")) if is_its_command else b"\x93\xff"
    lab.store.apply(Batch({key: damaged}))
    async with lab.running() as runtime:
        await trio.sleep(20)
        await alive(runtime)
        infos = [await runtime.client.invocation(handle.id).info() for handle in handles]
        assert [info.status is Status.COMPLETED for info in infos].count(True) == 1
    assert dict(lab.store.contents())[key] == damaged


async def test_a_history_that_cannot_be_overwritten_holds_up_no_commit() -> None:
    lab = Lab(Account, Bystander, retention=5.0)
    async with lab.running() as runtime:
        account = runtime.client.actor(Account, "alice")
        handle = await account.add.send(1)
        assert await handle.result() == 1
        assert await account.add(1) == 2
    alice = stream_of("Account", "alice")
    records = lab.store.scan(keys.record(0, alice, 1), keys.record(0, alice, 2**32))
    damaged = records[1][0]
    lab.store.apply(Batch({damaged: b"\x00" + records[1][1][1:]}))
    async with lab.running() as runtime:
        await trio.sleep(30)
        for _ in range(3):
            await alive(runtime)
            await trio.sleep(2)
