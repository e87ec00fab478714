"""Random handlers under crashes, cancels, pauses, gates and signals at random moments."""

from __future__ import annotations

import os
from typing import Any

import trio
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

import actors
from actors.core.requests import is_completion, is_request, is_same_request
from actors.model.classes import definition_of
from actors.model.contexts import HandlerContext
from actors.model.field_view import FieldView
from actors.model.info import belongs_to
from actors.model.pins import Pins
from actors.model.verbs.backend import HandlerBackend
from actors.replay.execution import Execution, Progress
from actors.replay.plan import replay_plan
from actors.values.failures import is_terminal
from actors.values.limits import DEFAULT_LIMITS
from actors.values.retries import DEFAULT_RETRY
from journal import events as e
from journal.events import OutcomeKind, Recorded, Status
from journal.ids import InvocationId, invocation_id, stream_of, stream_of_invocation
from journal.kv.memory import MemoryStore
from journal.kv.store import Batch
from tests.lab import WORLD, Lab
from tests.simulation.programs import Poker, Program, Sink, Walker, programs

EXAMPLES = int(os.environ.get("PLAYHEAD_EXAMPLES", "60"))

checked = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

moments = st.sampled_from([0.0, 0.1, 0.3, 0.6, 1.1, 1.6, 3.0])
GATES = ["everything", "service:Walker", "key:Walker/w", "handler:Walker/walk", "service:Sink"]
acts = st.lists(
    st.tuples(
        moments,
        st.sampled_from(["signal x", "signal y", "cancel", "pause", "pause now", "resume"])
        | st.builds("close {} {}".format, st.sampled_from(GATES), st.sampled_from(["drain", "now"]))
        | st.builds("open {}".format, st.sampled_from(GATES)),
    ),
    max_size=5,
)


class NoItems:
    """An object that has never had items."""

    def log_lengths(self) -> dict[str, int]:
        return {}

    def map_names(self) -> set[str]:
        return set()

    def log_items(self, field: str, start: int, stop: int) -> list[bytes]:
        return []

    def map_item(self, field: str, key: bytes) -> bytes | None:
        return None

    def map_items(self, field: str) -> list[tuple[bytes, bytes]]:
        return []


class Filmed(MemoryStore):
    """Remembers what it held after every commit."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[list[tuple[bytes, bytes]]] = []

    def apply(self, batch: Batch) -> None:
        super().apply(batch)
        self.frames.append(self.contents())


async def live_through(
    lab: Lab, program: Program, plan: list[tuple[float, str]]
) -> tuple[InvocationId, list[Recorded]]:
    """Walk the program while the plan is carried out, until it has ended; its history."""
    async with lab.running() as runtime:
        handle = await runtime.client.actor(Walker, "w").walk.send(program)
        await carry_out(runtime.client, handle, plan)
        with trio.move_on_after(1e5):
            await settle(runtime.client, handle)
        assert (await handle.info()).status is Status.COMPLETED, "every program ends"
        history = [r async for r in runtime.engine.journal.read(stream_of_invocation(handle.id))]
        check_cancel([r.event for r in history if belongs_to(r.event, handle.id)])
    return handle.id, [r for r in history if belongs_to(r.event, handle.id)]


def check_cancel(events: list[Any]) -> None:
    """What was cancelled ends cancelled: the walker raises its cancel again, and nothing hides it from the walker."""
    if any(isinstance(event, e.CancelRequested) for event in events):
        (outcome,) = [event.outcome for event in events if isinstance(event, e.InvocationCompleted)]
        assert outcome.kind is OutcomeKind.CANCELLED, outcome


async def carry_out(client: actors.Client, handle: actors.InvocationHandle[Any], plan: list[tuple[float, str]]) -> None:
    for moment, act in plan:
        await trio.sleep(moment)
        verb, _, rest = act.partition(" ")
        try:
            if verb == "signal":
                await handle.signal(rest, 7)
            elif verb == "pause":
                await handle.pause(mode=rest or "drain")
            elif verb == "close":
                scope, mode = rest.split()
                await client.gates.close(scope, mode=mode)
            elif verb == "open":
                await client.gates.open(rest)
            else:
                await getattr(handle, verb)()
        except actors.ConflictError:
            return


async def settle(client: actors.Client, handle: actors.InvocationHandle[Any]) -> None:
    """Open all gates, and resume it until it has ended."""
    await client.gates.open("everything")
    for gate in await client.gates.list():
        await client.gates.open(gate.scope)
    while (await handle.info()).status is not Status.COMPLETED:
        await trio.sleep(5)
        try:
            await handle.resume()
        except actors.ConflictError:
            return


def replayed(of: InvocationId, history: list[Recorded], fields: dict[str, bytes]) -> tuple[Progress, Execution]:
    """A new execution, taken through a history."""
    definition = definition_of(Walker)
    accepted = history[0].event
    assert isinstance(accepted, e.InvocationAccepted)
    declared = definition.handler(accepted.handler)
    arguments = declared.signature.decode(accepted.argument, accepted.parameter)
    view = FieldView(of, fields, NoItems(), is_writer=True, pinned=Pins(fields, {}, {}))
    instance = object.__new__(Walker)
    instance.__dict__.update(_view=view, _backend=HandlerBackend(), _key="w")

    async def root() -> bytes:
        return declared.signature.returns.encode(await declared.function(instance, **arguments))

    numbers = iter(range(1, 1_000_000))

    def new_id(service: str, key: str | None) -> InvocationId:
        return invocation_id(stream_of(service, key or ""), next(numbers))

    context = HandlerContext(
        of, "Walker", "w", "walk", history[0].stamp.at, "", DEFAULT_LIMITS, DEFAULT_RETRY, lambda: next(numbers), new_id
    )
    lines = replay_plan(history)
    execution = Execution(of, root, lines, state=view, name="walk", is_terminal=is_terminal, context=context)
    return execution.replay(history[-1].stamp.at), execution


def check_every_prefix(of: InvocationId, history: list[Recorded]) -> None:
    """From every prefix the handler asks for what the journal has next, and for nothing else. Unless a cancel that comes later
    was given to it before what the prefix ends with: then it had not been given that."""
    started = next(i for i, r in enumerate(history) if isinstance(r.event, e.InvocationStarted))
    for length in range(started + 1, len(history)):
        prefix, rest = history[:length], history[length:]
        progress, execution = replayed(of, prefix, {})
        assert progress is not Progress.MISMATCHED, f"after {length} events: {execution.mismatch}"
        if is_overtaken(prefix, rest):
            execution.close()
            continue
        coming = [r.event for r in rest if is_request(r.event)]
        asked = [event for event in execution.take_progress() if is_request(event)]
        for new, recorded in zip(asked, coming, strict=False):
            assert is_same_request(recorded, new), f"after {length} events asks {new}, the journal has {recorded}"
        execution.close()


def is_overtaken(prefix: list[Recorded], rest: list[Recorded]) -> bool:
    """Whether a cancel in the rest goes before a completion in the prefix."""
    completions = [r.number for r in [*prefix, *rest] if is_completion(r.event)]
    for recorded in rest:
        match recorded.event:
            case e.CancelRequested(overtakes=count) if count:
                overtaken = completions[completions.index(recorded.number) - count]
            case e.CancelDeliveredEarlier(handed_over=count) if count:
                overtaken = completions[count - 1]
            case _:
                continue
        if overtaken <= prefix[-1].number:
            return True
    return False


@checked
@given(program=programs, plan=acts)
def test_a_handler_replays_from_every_prefix_of_its_own_journal(
    program: Program, plan: list[tuple[float, str]]
) -> None:
    async def main() -> None:
        WORLD.clear()
        lab = Lab(Walker, Sink, Poker)
        of, history = await live_through(lab, program, plan)
        event(f"{len(history) // 10 * 10}+ events")
        check_every_prefix(of, history)

    trio.run(main, clock=MockClock(autojump_threshold=0))


@checked
@given(program=programs, plan=acts, crashes=st.lists(st.integers(0, 10_000), min_size=1, max_size=3))
def test_what_was_recorded_does_not_happen_again_wherever_the_process_dies(
    program: Program, plan: list[tuple[float, str]], crashes: list[int]
) -> None:
    async def main() -> None:
        WORLD.clear()
        film = Filmed()
        of, _ = await live_through(Lab(Walker, Sink, Poker, store=film), program, plan)
        for crash in crashes:
            await resume_from(film.frames[crash % len(film.frames)], of)

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def resume_from(frame: list[tuple[bytes, bytes]], of: InvocationId) -> None:
    """Start on what the disk held at some moment, and let everything end. Another seed, so that ids are not used again."""
    lab = Lab(Walker, Sink, Poker, store=MemoryStore(frame), seed=2)
    async with lab.running() as runtime:
        handle = runtime.client.invocation(of)
        try:
            await handle.info()
        except actors.NotFoundError:
            return
        journal = runtime.engine.journal
        before = [r async for r in journal.read(stream_of_invocation(of))]
        recorded = {f"{of}/{r.event.step}" for r in before if isinstance(r.event, e.StepCompleted)}
        WORLD.clear()
        with trio.move_on_after(1e5):
            await settle(runtime.client, handle)
        info = await handle.info()
        assert info.status is Status.COMPLETED
        again = recorded & {key for _, key in WORLD.entries}
        assert not again, f"ran again: {again}"
        after = [r async for r in journal.read(stream_of_invocation(of))]
    assert [r.event for r in after[: len(before)]] == [r.event for r in before]
    completed = [r for r in after if isinstance(r.event, e.InvocationCompleted) and r.event.invocation_id == of]
    assert len(completed) == 1
    check_every_prefix(of, [r for r in after if belongs_to(r.event, of)])


@checked
@given(program=programs, when=moments)
def test_a_cancelled_handler_ends_cancelled_or_had_ended_and_nothing_of_it_runs_afterwards(
    program: Program, when: float
) -> None:
    async def main() -> None:
        WORLD.clear()
        lab = Lab(Walker, Sink, Poker)
        async with lab.running() as runtime:
            handle = await runtime.client.actor(Walker, "w").walk.send(program)
            await trio.sleep(when)
            try:
                await handle.cancel(reason="enough")
            except actors.ConflictError:
                return
            with trio.fail_after(1e5):
                try:
                    await handle.result()
                except actors.InvocationCancelledError:
                    event("cancelled")
            assert (await handle.info()).outcome is not None
            noted = len(WORLD.entries)
            await trio.sleep(1000)
            mine = [entry for entry in WORLD.entries[noted:] if entry[1].startswith(handle.id)]
            assert mine == []

    trio.run(main, clock=MockClock(autojump_threshold=0))
