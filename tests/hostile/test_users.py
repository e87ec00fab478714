"""A user's code and values stop their own invocation and nothing else, also at the next start.

Hypothesis draws programs of hostile acts (``programs``) from catalogs of errors, values, names, numbers, types, policies and step
bodies. A bystander must answer before, during and after each of them. Then every invocation has ended or is paused by its own
fault, its history can be read, and the store is sound; and all of that holds again after each further start.

``HOSTILE_EXAMPLES=20000 python -m pytest tests/hostile/test_users.py`` draws that many examples, and new ones each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
from hypothesis import currently_in_test_context, event, given
from hypothesis import strategies as st
from trio.testing import MockClock

from journal.events import PauseCause, Status
from tests.hostile.programs import VERBS, Policies, Target, Walker, policies, programs, questions
from tests.hostile.trial import Bystander, Trial, all_invocations, hostile
from tests.hostile.values import NAMES, NUMBERS, POLICIES, VALUES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = [
    # What is left of a handler, or of a step, that misbehaves is its author's; Python tells of it when it goes.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]


CLASSES = (Walker, Policies, Target, Bystander)


class UsersTrial(Trial):
    """Of what users do."""

    async def commit(self, crimes: Sequence[list[list[str]]], under: Sequence[tuple[str, str]]) -> None:
        async with self.running() as runtime:
            await self.ask_bystander(runtime)
            for number, program in enumerate(crimes):
                await runtime.client.actor(Walker, f"w{number}").walk.send(program)
                await self.ask_bystander(runtime)
            for policy, where in under:
                await getattr(runtime.client.service(Policies), policy.replace(" ", "_")).send(where)
            await trio.sleep(30)
            await self.ask_bystander(runtime)

    async def ask_from_outside(self, asked: Sequence[tuple[str, str]]) -> None:
        async with self.running() as runtime:
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
        async with self.running() as runtime:
            await trio.sleep(30)
            await self.ask_bystander(runtime)
            async for info in all_invocations(runtime):
                handle = runtime.client.invocation(info.id)
                entries = [entry async for entry in handle.events()]
                assert entries, "the history of what is retained can be read"
                assert (await handle.info()).status is info.status
                if info.status is Status.PAUSED:
                    causes = {entry.details["cause"] for entry in entries if entry.name == "InvocationPaused"}
                    assert PauseCause.ENGINE.value not in causes, info.pause_reason
                    if currently_in_test_context():
                        event(f"paused: {sorted(causes)}")
                    if resumes:
                        await handle.resume()
            await self.ask_bystander(runtime)
        examination = self.examine()
        assert examination.is_sound, examination.findings

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


EXAMPLES = {
    "crimes": st.lists(programs, min_size=1, max_size=3),
    "under": st.lists(policies, max_size=2),
    "asked": st.lists(questions, max_size=3),
    "resumes": st.booleans(),
}


def try_all(
    path: Path | None,
    crimes: list[list[list[str]]],
    under: list[tuple[str, str]],
    asked: list[tuple[str, str]],
    resumes: bool,
) -> None:
    async def main() -> None:
        trial = UsersTrial(*CLASSES, path=path)
        await trial.commit(crimes, under)
        await trial.ask_from_outside(asked)
        await trial.judge(resumes=resumes)
        await trial.judge(resumes=False)
        await trial.end()

    trio.run(main, clock=MockClock(autojump_threshold=0))


@hostile(60)
@given(**EXAMPLES)
def test_hostile_users_stop_nothing_but_their_own_invocations(**example: Any) -> None:
    try_all(None, **example)


def test_no_body_or_policy_of_a_step_stops_more_than_its_own_invocation() -> None:
    """Few examples have one, so each is tried here."""
    crimes = [[[verb, thing, "raise"]] for verb in ("step_body", "step_policy") for thing in VERBS[verb]]
    under = [(policy, where) for policy in POLICIES for where in ("in the handler", "in a step")]
    try_all(None, crimes=crimes, under=under, asked=[], resumes=True)


@hostile(4)
@given(**EXAMPLES)
def test_nor_do_they_in_a_store_on_disk(tmp_path_factory: pytest.TempPathFactory, **example: Any) -> None:
    try_all(tmp_path_factory.mktemp("store"), **example)
