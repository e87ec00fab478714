"""A user's code and values stop their own invocation and nothing else, also at the next start.

Hypothesis draws programs of hostile acts (``programs``) from catalogs of errors, values, names, numbers, types, policies and step
bodies. A bystander must answer before, during and after each of them. Then every invocation has ended or is paused by its own
fault, its history can be read, and the store is sound; and all of that holds again after each further start.

``HOSTILE_EXAMPLES=20000 python -m pytest tests/hostile/test_users.py`` draws that many examples, and new ones each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
from hypothesis import currently_in_test_context, event, given
from hypothesis import strategies as st
from trio.testing import MockClock

import actors
from journal.events import OutcomeKind, PauseCause, Status
from tests.hostile import programs as p
from tests.hostile.programs import VERBS, WHERE, Policies, Walker
from tests.hostile.trial import Bystander, Trial, all_invocations, hostile
from tests.hostile.typed import BENT, PLACES, TYPED, Keeper, look_at_all
from tests.hostile.values import NAMES, NEVER_A_TIME, NUMBERS, POLICIES, USABLE_POLICIES, VALUES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from actors.model.info import InvocationInfo
    from journal.events import Target

pytestmark = [
    # What is left of a handler, or of a step, that misbehaves is its author's; Python tells of it when it goes.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning"),
]


CLASSES = (Walker, Policies, p.Target, Keeper, Bystander)


@attrs.frozen
class End:
    """What has become of an invocation, and what it was paused for."""

    info: InvocationInfo
    causes: set[str]

    @property
    def failure(self) -> str:
        """The type of the error that it ended with."""
        assert self.info.outcome is not None, self.info
        assert self.info.outcome.failure is not None, self.info
        return self.info.outcome.failure.type


class UsersTrial(Trial):
    """Of what users do."""

    async def commit(self, crimes: Sequence[list[list[str]]], under: Sequence[tuple[str, str]]) -> None:
        async with self.running() as runtime:
            await self.ask_bystander(runtime)
            for number, program in enumerate(crimes):
                await runtime.client.actor(Walker, f"w{number}").walk.send(program)
                await self.ask_bystander(runtime)
            for policy, where in under:
                handle = await getattr(runtime.client.service(Policies), policy.replace(" ", "_")).send(where)
                if where == "in a nursery":
                    await trio.sleep(1)
                    await handle.cancel()
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
        """Everything that happened can be read, what is kept is as it was, and no invocation is paused by a fault of the engine's,
        or for what should have been refused."""
        async with self.running() as runtime:
            await trio.sleep(30)
            await self.ask_bystander(runtime)
            await look_at_all(runtime.client)
            assert BENT == []
            async for info in all_invocations(runtime):
                handle = runtime.client.invocation(info.id)
                entries = [entry async for entry in handle.events()]
                assert entries, "the history of what is retained can be read"
                assert (await handle.info()).status is info.status
                assert {*map(public, failures_in(entries))} <= {True}
                if info.status is Status.PAUSED:
                    causes = causes_in(entries)
                    assert PauseCause.ENGINE.value not in causes, info.pause_reason
                    assert PauseCause.HANDLER.value not in causes or has_unusable_policy(info.target, entries[0]), (
                        info.pause_reason
                    )
                    if currently_in_test_context():
                        event(f"paused: {sorted(causes)}")
                    if resumes:
                        await handle.resume()
            await self.ask_bystander(runtime)
        examination = self.examine()
        assert examination.is_sound, examination.findings

    async def ends(self) -> list[End]:
        """What has become of every invocation."""
        async with self.running() as runtime:
            return [
                End(info, causes_in([entry async for entry in runtime.client.invocation(info.id).events()]))
                async for info in all_invocations(runtime)
            ]

    # What a client can ask.

    async def _call(self, client: Any, value: str) -> None:
        await client.actor(p.Target, "o").take(VALUES[value]())

    async def _call_under(self, client: Any, name: str) -> None:
        await client.actor(p.Target, NAMES[name]()).take(1)

    async def _call_within(self, client: Any, number: str) -> None:
        await client.actor(p.Target, "o").take.options(timeout=NUMBERS[number]())(1)

    async def _send_later(self, client: Any, number: str) -> None:
        await client.actor(p.Target, "o").take.options(delay=NUMBERS[number]()).send(1)

    async def _send_once(self, client: Any, name: str) -> None:
        await client.actor(p.Target, "o").take.options(idempotency_key=NAMES[name]()).send(1)

    async def _waiting(self, client: Any) -> Any:
        return await client.actor(p.Target, "o").wait.send()

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


def causes_in(entries: list[Any]) -> set[str]:
    """What it was paused for."""
    return {entry.details["cause"] for entry in entries if entry.name == "InvocationPaused"}


def failures_in(entries: list[Any]) -> list[str]:
    """The types of all failures that are recorded."""
    failures = [
        entry.details.get("failure") or (entry.details.get("outcome") or {}).get("failure") for entry in entries
    ]
    return [failure["type"] for failure in failures if failure]


def public(kind: str) -> bool:
    """Whether users can know this type of error: it is their own, or they can import it."""
    module, _, name = kind.rpartition(".")
    if module.partition(".")[0] not in ("actors", "journal"):
        return True
    return module == "actors.errors" and hasattr(actors.errors, name)


def has_unusable_policy(target: Target, accepted: Any) -> bool:
    """Whether an invocation meets a policy that an engine cannot use."""
    if target.service == "Policies":
        return target.handler.replace("_", " ") not in USABLE_POLICIES
    program = accepted.details["argument"]
    return any(verb == "step_policy" and given not in USABLE_POLICIES for verb, given, _ in program)


EXAMPLES = {
    "crimes": st.lists(p.programs, min_size=1, max_size=3),
    "under": st.lists(p.policies, max_size=2),
    "asked": st.lists(p.questions, max_size=3),
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


@hostile(40)
@given(**EXAMPLES)
def test_hostile_users_stop_nothing_but_their_own_invocations(**example: Any) -> None:
    try_all(None, **example)


def test_no_body_or_policy_of_a_step_stops_more_than_its_own_invocation() -> None:
    """Few examples have one, so each is tried here."""
    crimes = [[[verb, thing, "raise"]] for verb in ("step_body", "step_policy") for thing in VERBS[verb]]
    under = [(policy, where) for policy in POLICIES for where in WHERE]
    try_all(None, crimes=crimes, under=under, asked=[], resumes=True)


def ends_of(crimes: list[list[list[str]]], under: list[tuple[str, str]]) -> list[End]:
    """What becomes of each; nothing else may happen."""
    ends: list[End] = []

    async def main() -> None:
        trial = UsersTrial(*CLASSES)
        await trial.commit(crimes, under)
        await trial.judge(resumes=False)
        ends.extend(await trial.ends())

    trio.run(main, clock=MockClock(autojump_threshold=0))
    return ends


def test_a_retry_policy_that_cannot_be_used_pauses_its_invocation() -> None:
    under = [(policy, where) for policy in POLICIES for where in WHERE]
    ends = [end for end in ends_of([], under) if end.info.target.service == "Policies"]
    assert len(ends) == len(POLICIES) * len(WHERE)
    for end in ends:
        is_usable = end.info.target.handler.replace("_", " ") in USABLE_POLICIES
        expected = PauseCause.EXHAUSTED if is_usable else PauseCause.HANDLER
        assert end.causes == {expected.value}, end.info


def test_each_value_is_kept_or_refused_by_a_known_error_at_each_verb() -> None:
    """The laws of ``judge`` hold for each of them alone."""
    ends_of([[[verb, value, "raise"]] for verb, things in VERBS.items() if things is VALUES for value in VALUES], [])


def test_what_is_no_time_is_refused_at_every_verb() -> None:
    verbs = [verb for verb, things in VERBS.items() if things is NUMBERS]
    tried = [(verb, number) for verb in verbs for number in NEVER_A_TIME]
    for verb in ("deadline", "move_on_after", "fail_after"):
        tried.remove((verb, "infinity"))  # no deadline, as in trio
    ends = ends_of([[[verb, number, "raise"]] for verb, number in tried], [])
    kinds = [end.failure for end in ends if end.info.target.service == "Walker"]
    assert kinds == ["actors.errors.InvalidArgumentError"] * len(tried)


def test_a_value_of_a_type_is_kept_as_it_was_or_refused_wherever_it_is_kept() -> None:
    """Also one that the class of a value refuses to write, to make again or to compare."""
    verbs = ("give_typed", "take_typed", "keep_typed")
    ends = ends_of([[[verb, which, "except"]] for verb in verbs for which in TYPED], [])
    kept = [end.info for end in ends if end.info.target.handler.startswith("keep_")]
    for info in kept:
        which = info.target.handler.partition("_")[2]
        has_succeeded = info.outcome is not None and info.outcome.kind is OutcomeKind.SUCCEEDED
        assert has_succeeded == TYPED[which].comes_back, info
    assert len(kept) == len(TYPED) * len(PLACES)


@hostile(4)
@given(**EXAMPLES)
def test_nor_do_they_in_a_store_on_disk(tmp_path_factory: pytest.TempPathFactory, **example: Any) -> None:
    try_all(tmp_path_factory.mktemp("store"), **example)
