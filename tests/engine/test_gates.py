"""Gates: what is behind a closed one is accepted and waits, nothing of it goes on, and all of it does when the gate opens."""

from __future__ import annotations

import pytest
import trio

import actors
from actors import (
    Actor,
    CancelledError,
    InvalidArgumentError,
    InvocationCancelledError,
    LimitExceededError,
    Limits,
    NotFoundError,
    RetryPolicy,
    Service,
    handler,
    shared,
    step,
)
from actors.errors import ActorError
from actors.model.handles import InvocationHandle
from actors.runtime import Runtime
from actors.types import GateState
from journal.events import Status
from tests.lab import WORLD, Lab, SlowDisk, quiet
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time

ALIVE: dict[str, bool] = {}


@step
async def work(name: str, seconds: float = 0.0) -> str:
    WORLD.note(f"begin {name}")
    try:
        await trio.sleep(seconds)
    except trio.Cancelled:
        WORLD.note(f"stopped {name}")
        raise
    WORLD.note(f"end {name}")
    return name


@step(retry=RetryPolicy(initial_delay=60.0, max_delay=60.0))
async def endpoint() -> str:
    WORLD.note("try")
    if not ALIVE.get("endpoint"):
        raise ConnectionError("refused")
    return "answer"


@step(at_most_once=True)
async def charge(seconds: float) -> str:
    WORLD.note("charge")
    await trio.sleep(seconds)
    return "charged"


class Agent(Service):
    @handler
    async def run(self, name: str, seconds: float = 10.0) -> str:
        try:
            await work(f"{name} 1", seconds)
            return await work(f"{name} 2", seconds)
        except CancelledError as error:
            await work(f"undo {name}: {error.reason}")
            raise

    @handler
    async def ask(self) -> str:
        return await endpoint()

    @handler(retry=RetryPolicy(initial_delay=60.0, max_delay=60.0))
    async def stumble(self) -> str:
        WORLD.note("stumble")
        if not ALIVE.get("handler"):
            raise ConnectionError("refused")
        return "up"

    @handler
    async def nap(self, seconds: float) -> str:
        await actors.sleep(seconds)
        await work("awake")
        return "slept"

    @handler
    async def approve(self) -> bool:
        verdict = await actors.signal("approval", bool)
        await work("approved")
        return verdict

    @handler
    async def delegate(self) -> str:
        return await actors.service(Helper).help()


class Helper(Service):
    @handler
    async def help(self) -> str:
        await work("helping", 10.0)
        return "helped"


class Chat(Actor):
    lines: list[str] = actors.field(factory=list)

    @handler
    async def say(self, text: str, seconds: float = 0.0) -> int:
        WORLD.note(f"{self.key} {text}")
        self.lines.append(text)
        if seconds:
            await work(text, seconds)
        return len(self.lines)

    @shared
    async def read(self) -> list[str]:
        WORLD.note(f"{self.key} read")
        return self.lines


CLASSES = (Agent, Helper, Chat)


@pytest.fixture(autouse=True)
def everything_is_dead() -> None:
    ALIVE.clear()


async def status(runtime: Runtime, of: str) -> tuple[Status, str]:
    info = await runtime.client.invocation(of).info()
    return info.status, info.phase


async def test_a_service_is_held_for_maintenance_and_goes_on_afterwards() -> None:
    async with Lab(*CLASSES).running() as runtime:
        agents = runtime.client.service(Agent)
        running = await agents.run.send("old")
        await trio.sleep(5.0)
        answer = await runtime.client.gates.close("service:Agent", reason="maintenance of the database")
        assert (answer.changed, answer.before, answer.after) == (True, GateState.OPEN, GateState.CLOSED)
        new = await agents.run.send("new")
        await trio.sleep(3600.0)
        # The step that ran has ended and is recorded; nothing has begun since.
        assert WORLD.entries == ["begin old 1", "end old 1"]
        assert await status(runtime, running.id) == (Status.RUNNING, "held")
        assert await status(runtime, new.id) == (Status.QUEUED, "held")
        answer = await runtime.client.gates.open("service:Agent", reason="done")
        assert (answer.changed, answer.before, answer.after, answer.gate) == (
            True,
            GateState.CLOSED,
            GateState.OPEN,
            None,
        )
        assert await running.result() == "old 2"
        assert await new.result() == "new 2"
        assert [WORLD.count(f"begin {name}") for name in ("old 1", "old 2", "new 1", "new 2")] == [1, 1, 1, 1]


async def test_an_invocation_names_the_gate_that_holds_it_and_who_closed_it_and_why() -> None:
    async with Lab(*CLASSES).running() as runtime:
        ada = runtime.client.acting_as("user:ada", "cli")
        await ada.gates.close("handler:Agent/run", mode="now", reason="it deletes too much")
        sent = await runtime.client.service(Agent).run.send("x")
        info = await sent.info()
        assert info.phase == "held"
        assert info.gate is not None
        assert (info.gate.scope, info.gate.by, info.gate.reason) == (
            "handler:Agent/run",
            "user:ada",
            "it deletes too much",
        )
        [listed] = await runtime.client.invocations(service="Agent")
        assert (listed.phase, listed.gate) == ("held", info.gate)
        assert await ada.gates.list() == (info.gate,)
        await ada.gates.open("handler:Agent/run")
        assert await sent.result() == "x 2"
        assert (await sent.info()).gate is None


async def test_closing_now_aborts_running_steps_and_runs_them_again_later() -> None:
    async with Lab(*CLASSES).running() as runtime:
        running = await runtime.client.service(Agent).run.send("x")
        await trio.sleep(5.0)
        await runtime.client.gates.close("everything", mode="now")
        await quiet()
        assert WORLD.entries == ["begin x 1", "stopped x 1"]
        await runtime.client.gates.open("everything")
        assert await running.result() == "x 2"
        assert WORLD.count("begin x 1") == 2


async def test_a_gate_that_drains_can_be_closed_again_at_once() -> None:
    async with Lab(*CLASSES).running() as runtime:
        await runtime.client.service(Agent).run.send("x", 1e6)
        await trio.sleep(5.0)
        await runtime.client.gates.close("service:Agent")
        await quiet()
        assert WORLD.entries == ["begin x 1"]
        assert (await runtime.client.gates.close("service:Agent", mode="now")).changed
        await quiet()
        assert WORLD.entries == ["begin x 1", "stopped x 1"]


async def test_a_step_that_may_begin_once_ends_while_its_gate_drains_and_counts() -> None:
    class Till(Service):
        @handler
        async def pay(self) -> str:
            return await charge(10.0)

    async with Lab(Till).running() as runtime:
        paying = await runtime.client.service(Till).pay.send()
        await trio.sleep(5.0)
        await runtime.client.gates.close("everything")
        await trio.sleep(60.0)
        await runtime.client.gates.open("everything")
        assert await paying.result() == "charged"
        assert WORLD.entries == ["charge"]


async def test_a_key_is_held_and_others_are_not() -> None:
    async with Lab(*CLASSES).running() as runtime:
        alice, bob = (runtime.client.actor(Chat, name) for name in ("alice", "bob"))
        await runtime.client.gates.close("key:Chat/alice")
        first, second = await alice.say.send("one"), await alice.say.send("two")
        reader = await alice.read.send()
        assert await bob.say("hello") == 1
        await trio.sleep(60.0)
        assert WORLD.entries == ["bob hello"]
        await runtime.client.gates.open("key:Chat/alice")
        assert [await first.result(), await second.result()] == [1, 2]
        await reader.result()
        assert [entry for entry in WORLD.entries if entry != "alice read"] == ["bob hello", "alice one", "alice two"]


async def test_first_come_first_served_holds_across_a_gate() -> None:
    async with Lab(*CLASSES).running() as runtime:
        chat = runtime.client.actor(Chat, "alice")
        running = await chat.say.send("zero", 10.0)
        await trio.sleep(1.0)
        before = [await chat.say.send(f"before {n}") for n in range(3)]
        await runtime.client.gates.close("service:Chat")
        during = [await chat.say.send(f"during {n}") for n in range(3)]
        await trio.sleep(60.0)
        await runtime.client.gates.open("service:Chat")
        after = [await chat.say.send(f"after {n}") for n in range(3)]
        assert [await sent.result() for sent in (running, *before, *during, *after)] == list(range(1, 11))


async def test_a_handler_that_is_held_is_passed_by_nobody_behind_it() -> None:
    async with Lab(*CLASSES).running() as runtime:
        await runtime.client.gates.close("handler:Chat/say")
        chat = runtime.client.actor(Chat, "alice")
        said = await chat.say.send("hello")
        assert await chat.read() == []
        await runtime.client.gates.open("handler:Chat/say")
        assert await said.result() == 1


async def test_a_cancel_is_recorded_while_the_gate_is_closed_and_delivered_when_it_opens() -> None:
    async with Lab(*CLASSES).running() as runtime:
        running = await runtime.client.service(Agent).run.send("x")
        await trio.sleep(5.0)
        await runtime.client.gates.close("service:Agent")
        queued = await runtime.client.service(Agent).run.send("y")
        await running.cancel(reason="too late")
        await queued.cancel(reason="never mind")
        with raises(InvocationCancelledError, details="never mind"):
            await queued.result()
        await trio.sleep(60.0)
        assert WORLD.entries == ["begin x 1", "end x 1"]
        info = await running.info()
        assert (info.phase, info.cancel_reason) == ("held", "too late")
        await runtime.client.gates.open("service:Agent")
        with raises(InvocationCancelledError, details="too late"):
            await running.result()
        assert WORLD.entries[-2:] == ["begin undo x: too late", "end undo x: too late"]


async def test_a_kill_works_at_once_behind_a_closed_gate_and_the_next_one_still_waits() -> None:
    async with Lab(*CLASSES).running() as runtime:
        chat = runtime.client.actor(Chat, "alice")
        running = await chat.say.send("one", 1e6)
        waiting = await chat.say.send("two")
        await trio.sleep(1.0)
        await runtime.client.gates.close("key:Chat/alice")
        await running.kill()
        with raises(InvocationCancelledError, code="killed"):
            await running.result()
        await quiet()
        assert WORLD.entries == ["alice one", "begin one", "stopped one"]
        assert await status(runtime, waiting.id) == (Status.QUEUED, "held")
        await runtime.client.gates.open("key:Chat/alice")
        assert await waiting.result() == 2  # what the killed one wrote stays


async def test_what_backs_off_waits_behind_the_gate_and_tries_when_it_opens() -> None:
    async with Lab(*CLASSES).running() as runtime:
        agents = runtime.client.service(Agent)
        by_step, by_handler = await agents.ask.send(), await agents.stumble.send()
        await trio.sleep(1.0)
        await runtime.client.gates.close("service:Agent")
        await trio.sleep(600.0)
        assert (WORLD.count("try"), WORLD.count("stumble")) == (1, 1)
        ALIVE.update(endpoint=True, handler=True)
        await runtime.client.gates.open("service:Agent")
        with trio.fail_after(1.0):
            assert [await by_step.result(), await by_handler.result()] == ["answer", "up"]
        assert (WORLD.count("try"), WORLD.count("stumble")) == (2, 2)


async def test_what_is_not_due_for_its_retry_when_the_gate_opens_is_retried_when_it_is() -> None:
    async with Lab(*CLASSES).running() as runtime:
        agents = runtime.client.service(Agent)
        by_step, by_handler = await agents.ask.send(), await agents.stumble.send()
        await trio.sleep(1.0)
        await runtime.client.gates.close("service:Agent")
        await trio.sleep(10.0)
        ALIVE.update(endpoint=True, handler=True)
        await runtime.client.gates.open("service:Agent")
        await trio.sleep(10.0)
        assert (WORLD.count("try"), WORLD.count("stumble")) == (1, 1)
        with trio.fail_after(40.0):
            assert [await by_step.result(), await by_handler.result()] == ["answer", "up"]


@pytest.mark.parametrize("asleep", [False, True], ids=["in memory", "suspended"])
async def test_dates_signals_and_outcomes_take_effect_when_the_gate_opens(
    asleep: bool,
) -> None:
    async with Lab(*CLASSES, limits=Limits(unload_after_seconds=4.0)).running() as runtime:
        agents = runtime.client.service(Agent)
        naps, approves, delegates = (
            await agents.nap.send(50.0),
            await agents.approve.send(),
            await agents.delegate.send(),
        )
        await trio.sleep(8.0 if asleep else 1.0)
        await runtime.client.gates.close("service:Agent")
        await approves.signal("approval", True)
        await trio.sleep(600.0)
        # The helper is not held, so the call has an outcome; nobody has been told of it.
        assert WORLD.entries == ["begin helping", "end helping"]
        recorded = [[entry.name async for entry in handle.events()][-1] for handle in (naps, approves, delegates)]
        assert recorded == ["TimerFired", "SignalReceived", "CallCompleted"]
        await runtime.client.gates.open("service:Agent")
        assert [await naps.result(), await approves.result(), await delegates.result()] == ["slept", True, "helped"]


async def test_a_scheduled_invocation_whose_date_comes_meanwhile_waits_for_the_gate() -> None:
    async with Lab(*CLASSES).running() as runtime:
        later = await runtime.client.actor(Chat, "alice").say.options(delay=10.0).send("later")
        await runtime.client.gates.close("everything")
        await trio.sleep(60.0)
        assert await status(runtime, later.id) == (Status.QUEUED, "held")
        await runtime.client.gates.open("everything")
        assert await later.result() == 1


async def test_pausing_behind_a_closed_gate_holds_it_also_when_the_gate_opens() -> None:
    async with Lab(*CLASSES).running() as runtime:
        agents = runtime.client.service(Agent)
        retries, running = await agents.ask.send(), await agents.run.send("x")
        await trio.sleep(1.0)
        await runtime.client.gates.close("service:Agent")
        await trio.sleep(100.0)  # the retry has come, and no step of it runs
        for handle in (retries, running):
            await handle.pause()
            await quiet()
            assert (await handle.info()).status is Status.PAUSED
        await runtime.client.gates.open("service:Agent")
        await trio.sleep(100.0)
        assert WORLD.count("try") == 1
        ALIVE["endpoint"] = True
        await retries.resume()
        await running.resume()
        assert [await retries.result(), await running.result()] == ["answer", "x 2"]


@pytest.mark.parametrize("partitions", [1, 4])
async def test_a_gate_holds_across_a_crash_and_opens_in_the_next_life(partitions: int) -> None:
    lab = Lab(*CLASSES, partitions=partitions)
    async with lab.running() as runtime:
        agents = runtime.client.service(Agent)
        running = [await agents.run.send(f"r{n}") for n in range(8)]
        await trio.sleep(5.0)
        await runtime.client.gates.close("service:Agent", reason="maintenance")
        queued = [await agents.run.send(f"q{n}") for n in range(8)]
    WORLD.clear()
    async with lab.running() as runtime:
        await trio.sleep(600.0)
        assert WORLD.entries == []
        assert await runtime.client.service(Helper).help() == "helped"
        sent = [runtime.client.invocation(handle.id) for handle in (*running, *queued)]
        assert {await status(runtime, handle.id) for handle in sent} == {
            (Status.RUNNING, "held"),
            (Status.QUEUED, "held"),
        }
        await runtime.client.gates.open("service:Agent")
        results = [await handle.result() for handle in sent]
        assert results == [*(f"r{n} 2" for n in range(8)), *(f"q{n} 2" for n in range(8))]


async def test_a_crash_while_what_was_held_is_being_woken_loses_nothing() -> None:
    """Wherever it comes: right after the gate has opened, or when some have started."""
    for seconds in (0.0, 1e-6, 1e-3):
        WORLD.clear()
        lab = Lab(*CLASSES)
        async with lab.running() as runtime:
            await runtime.client.gates.close("everything")
            chats = [runtime.client.actor(Chat, f"k{n}") for n in range(40)]
            sent = [await chat.say.send("hello") for chat in chats]
            sent += [await chat.read.send() for chat in chats]
            ids = [handle.id for handle in sent]
            await runtime.client.gates.open("everything")
            with trio.move_on_after(seconds):
                await trio.sleep_forever()
        async with lab.running() as runtime:
            with trio.fail_after(10.0):
                for invocation_id in ids:
                    await runtime.client.invocation(invocation_id).result()


async def test_a_crash_in_every_commit_around_a_gate_loses_nothing() -> None:
    """Each commit of a life with a gate is the last one of some other life, and all of them come to the same end."""
    lab = Lab(*CLASSES)
    snapshots: list[Lab] = []
    async with lab.running() as runtime:
        chat = runtime.client.actor(Chat, "alice")
        ids = [(await chat.say.send("one", 10.0)).id, (await chat.say.send("two")).id]
        await trio.sleep(1.0)
        await runtime.client.gates.close("everything")
        snapshots.append(lab.copy())
        ids.append((await chat.say.send("three")).id)
        ids.append((await runtime.client.service(Agent).run.send("x")).id)
        snapshots.append(lab.copy())
        await trio.sleep(60.0)
        snapshots.append(lab.copy())
        await runtime.client.gates.open("everything")
        snapshots.append(lab.copy())
        await quiet()
        snapshots.append(lab.copy())
    for snapshot in snapshots:
        async with snapshot.running() as runtime:
            await runtime.client.gates.open("everything")
            known = {info.id for info in await runtime.client.invocations(limit=10)}
            assert {*ids[:2]} <= known
            for invocation_id in [i for i in ids if i in known]:
                await runtime.client.invocation(invocation_id).result()


async def test_a_runtime_started_paused_holds_everything_until_it_is_released_selectively() -> None:
    lab = Lab(*CLASSES)
    async with lab.running() as runtime:
        chat = await runtime.client.actor(Chat, "alice").say.send("one", 100.0)
        agent = await runtime.client.service(Agent).run.send("x")
        await trio.sleep(5.0)
    WORLD.clear()
    async with lab.running(paused=True) as runtime:
        await trio.sleep(600.0)
        assert WORLD.entries == []
        [gate] = await runtime.client.gates.list()
        assert (gate.scope, gate.state, gate.reason) == ("everything", GateState.CLOSED, "started paused")
        assert gate.by.startswith("user:")
        assert await status(runtime, chat.id) == (Status.RUNNING, "held")
        await runtime.client.gates.open("service:Agent", reason="looked at it")
        assert await runtime.client.invocation(agent.id).result() == "x 2"
        assert WORLD.count("begin one") == 0
        assert [(gate.scope, gate.state) for gate in await runtime.client.gates.list()] == [
            ("everything", GateState.CLOSED),
            ("service:Agent", GateState.OPEN),
        ]
    async with lab.running() as runtime:  # it was written down
        await trio.sleep(600.0)
        assert WORLD.count("begin one") == 0
        await runtime.client.gates.open("everything")
        assert await runtime.client.invocation(chat.id).result() == 1
        assert await runtime.client.gates.list() == ()


async def test_starting_paused_closes_what_was_let_through_before() -> None:
    lab = Lab(*CLASSES)
    async with lab.running(paused=True) as runtime:
        await runtime.client.gates.open("service:Agent")
        await runtime.client.service(Agent).run.send("x")
        await trio.sleep(5.0)
    WORLD.clear()
    async with lab.running(paused=True) as runtime:
        await trio.sleep(600.0)
        assert WORLD.entries == []
        assert [gate.scope for gate in await runtime.client.gates.list()] == ["everything"]


async def test_closing_twice_and_opening_what_is_open_change_nothing() -> None:
    async with Lab(*CLASSES).running() as runtime:
        gates = runtime.client.gates
        assert not (await gates.open("service:Agent")).changed
        assert (await gates.close("service:Agent", reason="first")).changed
        again = await gates.close("service:Agent", reason="second")
        assert (again.changed, again.before, again.after) == (False, GateState.CLOSED, GateState.CLOSED)
        assert again.gate is not None
        assert again.gate.reason == "first"
        assert (await gates.open("service:Agent")).changed
        assert not (await gates.open("service:Agent")).changed


@pytest.mark.parametrize(
    ("scope", "error", "attributes"),
    [
        ("service:Nobody", NotFoundError, {"kind": "service"}),
        ("handler:Agent/nothing", NotFoundError, {"kind": "handler"}),
        ("handler:Nobody/run", NotFoundError, {"kind": "service"}),
        ("key:Agent/bob", InvalidArgumentError, {"path": "key"}),
        ("key:Chat/" + "k" * 2000, LimitExceededError, {"limit": "key_bytes", "found": 2000}),
        ("service:playhead.Registry", NotFoundError, {"kind": "service"}),
        ("deployment:dep_none", NotFoundError, {"kind": "deployment"}),
    ],
)
async def test_a_scope_that_is_not_here_is_refused_and_the_audit_says_so(
    scope: str, error: type[ActorError], attributes: dict[str, object]
) -> None:
    async with Lab(*CLASSES).running() as runtime:
        for change in (runtime.client.gates.close, runtime.client.gates.open):
            with raises(error, **attributes) as refused:
                await change(scope)
        assert await runtime.client.gates.list() == ()
        entries = (await runtime.client.audit()).entries
        assert [(entry.verb, entry.target) for entry in entries] == [("open-gate", scope), ("close-gate", scope)]
        assert all(entry.refusal.startswith(f"{refused.value.code}: ") for entry in entries)


async def test_text_that_is_no_scope_and_reasons_without_end_are_refused() -> None:
    async with Lab(*CLASSES).running() as runtime:
        with raises(InvalidArgumentError, path="scope"):
            await runtime.client.gates.close("Agent")
        with raises(LimitExceededError, limit="reason", maximum=4096, found=4097, code="too_large"):
            await runtime.client.gates.close("everything", reason="x" * 4097)
        with pytest.raises(ValueError, match="later"):
            await runtime.client.gates.close("everything", mode="later")
        assert await runtime.client.gates.list() == ()


async def test_a_gate_before_a_class_that_is_no_longer_served_can_be_opened() -> None:
    lab = Lab(*CLASSES)
    async with lab.running() as runtime:
        await runtime.client.gates.close("service:Agent")
    async with lab.running(Chat) as runtime:
        assert (await runtime.client.gates.open("service:Agent")).changed
        assert await runtime.client.gates.list() == ()


async def test_the_audit_tells_who_closed_what_when_and_why() -> None:
    async with Lab(*CLASSES).running() as runtime:
        await runtime.client.acting_as("token:ops", "127.0.0.1:5123").gates.close("service:Agent", reason="why")
        [entry] = (await runtime.client.audit(verb="close-gate")).entries
        assert (entry.by, entry.source, entry.target, entry.detail, entry.reason) == (
            "token:ops",
            "127.0.0.1:5123",
            "service:Agent",
            "drain",
            "why",
        )


async def test_what_waits_behind_a_gate_costs_no_event_and_no_memory_each() -> None:
    count = 400
    async with Lab(*CLASSES, limits=Limits(idle_objects=50, unload_after_seconds=1.0)).running() as runtime:
        suspended = [await runtime.client.service(Agent).approve.send() for _ in range(count)]
        await trio.sleep(10.0)
        before = [(await handle.info()).last_event for handle in suspended[:20]]
        await runtime.client.gates.close("everything")
        queued = [await runtime.client.service(Agent).run.send(f"q{n}", 0.0) for n in range(count)]
        await trio.sleep(600.0)
        assert [(await handle.info()).last_event for handle in suspended[:20]] == before
        assert {(await handle.info()).last_event for handle in queued[:20]} == {2}  # it was created, and accepted
        assert WORLD.entries == []
        await runtime.client.gates.open("everything")
        for number, handle in enumerate(queued):
            assert await handle.result() == f"q{number} 2"
        assert (await suspended[0].info()).status is Status.SUSPENDED


async def test_gates_that_open_and_close_in_quick_succession_let_everything_go_on_in_the_end() -> None:
    async with Lab(*CLASSES, partitions=2).running() as runtime:
        sent = [await runtime.client.service(Agent).run.send(f"x{n}", 0.5) for n in range(50)]
        async with trio.open_nursery() as nursery:
            for scope in ("everything", "service:Agent", "handler:Agent/run"):

                async def flap(scope: str = scope) -> None:
                    for _ in range(10):
                        await runtime.client.gates.close(scope)
                        await runtime.client.gates.open(scope)

                nursery.start_soon(flap)
        for scope in ("everything", "service:Agent", "handler:Agent/run"):
            await runtime.client.gates.open(scope)
        assert await runtime.client.gates.list() == ()
        with trio.fail_after(60.0):
            assert [await handle.result() for handle in sent] == [f"x{n} 2" for n in range(50)]


async def test_what_is_accepted_while_the_opening_is_on_its_way_to_the_disk_goes_on_as_well() -> None:
    async with Lab(*CLASSES, store=SlowDisk()).running() as runtime:
        await runtime.client.gates.close("everything")
        chats = [runtime.client.actor(Chat, f"k{n}") for n in range(10)]
        sent: list[InvocationHandle[int]] = []

        async def send(chat: Chat) -> None:
            sent.append(await chat.say.send("hello"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(runtime.client.gates.open, "everything")
            for chat in chats:
                await trio.sleep(0.4)
                nursery.start_soon(send, chat)
        with trio.fail_after(60.0):
            assert [await handle.result() for handle in sent] == [1] * 10
