"""A user's code and values stop their own invocation and nothing else, also at the next start.

Hypothesis draws programs of hostile acts (``programs``) from catalogs of errors, values, names, numbers, types, policies and step
bodies. A bystander must answer before, during and after each of them. Then every invocation has ended or is paused by its own
fault, its history can be read, and the store is sound; and all of that holds again after each further start.

``HOSTILE_EXAMPLES=20000 python -m pytest tests/hostile/test_users.py`` draws that many examples, and new ones each time.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import trio
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

import actors
from actors import Actor, handler
from actors.doctor import examine
from journal.events import PauseCause, Status
from journal.memory import MemoryStore
from tests.hostile.programs import Policies, Target, Walker, policies, programs, questions
from tests.hostile.values import NAMES, NUMBERS, VALUES
from tests.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLES = os.environ.get("HOSTILE_EXAMPLES")

hostile = settings(
    max_examples=int(EXAMPLES or 150),
    derandomize=EXAMPLES is None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

pytestmark = [
    # What is left of a handler, or of a step, that misbehaves is its author's; Python tells of it when it goes.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]


class Bystander(Actor):
    """Takes no part in any of it."""

    count: int = 0

    @handler
    async def add(self) -> int:
        self.count += 1
        return self.count


CLASSES = (Walker, Policies, Target, Bystander)


class Trial:
    """One store, opened again and again, and how often the bystander has been asked."""

    def __init__(self) -> None:
        self.lab = Lab(*CLASSES, store=MemoryStore())
        self.asked = 0

    async def ask_bystander(self, runtime: actors.Runtime) -> None:
        self.asked += 1
        with trio.fail_after(5):
            assert await runtime.client.actor(Bystander, "b").add() == self.asked

    async def commit(self, crimes: Sequence[list[list[str]]], under: Sequence[tuple[str, str]]) -> None:
        async with self.lab.running() as runtime:
            await self.ask_bystander(runtime)
            for number, program in enumerate(crimes):
                await runtime.client.actor(Walker, f"w{number}").walk.send(program)
                await self.ask_bystander(runtime)
            for policy, where in under:
                await getattr(runtime.client.service(Policies), policy.replace(" ", "_")).send(where)
            await trio.sleep(30)
            await self.ask_bystander(runtime)

    async def ask_from_outside(self, asked: Sequence[tuple[str, str]]) -> None:
        async with self.lab.running() as runtime:
            for verb, thing in asked:
                with trio.move_on_after(5):
                    try:
                        await getattr(self, f"_{verb}")(runtime.client, thing)
                    except Exception as error:
                        event(f"{verb}: {type(error).__name__}")
                    except BaseException as error:
                        if isinstance(error, trio.Cancelled):
                            raise
                        event(f"{verb}: {type(error).__name__}")
                await self.ask_bystander(runtime)

    async def judge(self, *, resumes: bool) -> None:
        """Everything that happened can be read, and no invocation is paused by a fault of the engine's."""
        async with self.lab.running() as runtime:
            await trio.sleep(30)
            await self.ask_bystander(runtime)
            async for info in _all(runtime):
                handle = runtime.client.invocation(info.id)
                entries = [entry async for entry in handle.events()]
                assert entries, "the history of what is retained can be read"
                assert (await handle.info()).status is info.status
                if info.status is Status.PAUSED:
                    causes = {entry.details["cause"] for entry in entries if entry.name == "InvocationPaused"}
                    assert PauseCause.ENGINE.value not in causes, info.pause_reason
                    event(f"paused: {sorted(causes)}")
                    if resumes:
                        await handle.resume()
            await self.ask_bystander(runtime)
        examination = examine(self.lab.store, self.lab.partitions)
        assert examination.is_sound, examination.findings

    async def end(self) -> None:
        """Every invocation that is still open can be killed."""
        async with self.lab.running() as runtime:
            async for info in _all(runtime):
                if info.status is not Status.COMPLETED:
                    await runtime.client.invocation(info.id).kill()
            await self.ask_bystander(runtime)
            statuses = [info.status async for info in _all(runtime)]
            assert {*statuses} == {Status.COMPLETED}

    # What a client can ask.

    async def _call(self, client: Any, value: str) -> None:
        await client.actor(Target, "o").take(VALUES[value]())

    async def _call_under(self, client: Any, name: str) -> None:
        await client.actor(Target, NAMES[name]()).take(1)

    async def _call_within(self, client: Any, number: str) -> None:
        await client.actor(Target, "o").take.options(timeout=NUMBERS[number]())(1)

    async def _send_later(self, client: Any, number: str) -> None:
        await client.actor(Target, "o").take.options(delay=NUMBERS[number]()).send(1)

    async def _send_once(self, client: Any, name: str) -> None:
        await client.actor(Target, "o").take.options(idempotency_key=NAMES[name]()).send(1)

    async def _waiting(self, client: Any) -> Any:
        return await client.actor(Target, "o").wait.send()

    async def _signal_to(self, client: Any, name: str) -> None:
        await (await self._waiting(client)).signal(NAMES[name](), 1)

    async def _signal_with(self, client: Any, value: str) -> None:
        await (await self._waiting(client)).signal("go", VALUES[value]())

    async def _cancel_because(self, client: Any, name: str) -> None:
        await (await self._waiting(client)).cancel(reason=NAMES[name]())

    async def _cancel_within(self, client: Any, number: str) -> None:
        await (await self._waiting(client)).cancel(kill_after=NUMBERS[number]())

    async def _pause_because(self, client: Any, name: str) -> None:
        handle = await self._waiting(client)
        await handle.pause(reason=NAMES[name]())
        await handle.resume(reason=NAMES[name]())

    async def _info(self, client: Any, name: str) -> None:
        await client.invocation(NAMES[name]()).info()


async def _all(runtime: actors.Runtime) -> Any:
    for info in await runtime.client.invocations(limit=1_000):
        yield info


@hostile
@given(
    crimes=st.lists(programs, min_size=1, max_size=3),
    under=st.lists(policies, max_size=2),
    asked=st.lists(questions, max_size=3),
    resumes=st.booleans(),
)
def test_hostile_users_stop_nothing_but_their_own_invocations(
    crimes: list[list[list[str]]], under: list[tuple[str, str]], asked: list[tuple[str, str]], resumes: bool
) -> None:
    async def main() -> None:
        trial = Trial()
        await trial.commit(crimes, under)
        await trial.ask_from_outside(asked)
        await trial.judge(resumes=resumes)
        await trial.judge(resumes=False)
        await trial.end()

    trio.run(main, clock=MockClock(autojump_threshold=0))
