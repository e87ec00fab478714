"""A compensation that fails while its handler is cancelled: the same inside a nursery as outside of one."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import actors
from actors import CancelledError, RetryPolicy, Service, Status, handler, step
from actors.model.info import InvocationInfo
from actors.types import OutcomeKind
from tests.lab import WORLD, Lab
from tests.raising import raises
from tests.virtual import on_virtual_time

pytestmark = on_virtual_time


class Refused(actors.TerminalError):
    """The hotel gives nothing back."""

    http_status = 402


@step
async def act(what: str) -> None:
    WORLD.note(what)


async def undo_at_the_second_try() -> None:
    WORLD.note("undo")
    if WORLD.count("undo") < 2:
        raise ConnectionError("the first try finds the bank down")
    await act("undone")


async def undo_never() -> None:
    WORLD.note("undo")
    raise ConnectionError("the bank is down for good")


async def undo_is_refused() -> None:
    await act("asked")
    raise Refused("no refund")


async def undo_is_refused_by_one_of_many() -> None:
    async with actors.open_nursery() as nursery:
        nursery.start_soon(undo_is_refused)


UNDO = {
    "second try": undo_at_the_second_try,
    "never": undo_never,
    "refused": undo_is_refused,
    "refused by one of many": undo_is_refused_by_one_of_many,
}


class Trip(Service):
    @handler(retry=RetryPolicy(max_attempts=3, initial_delay=1.0))
    async def flat(self, undo: str) -> None:
        await self._book(undo)

    @handler(retry=RetryPolicy(max_attempts=3, initial_delay=1.0))
    async def in_a_nursery(self, undo: str) -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(self._book, undo)
            nursery.start_soon(self._book_nothing)

    @handler(retry=RetryPolicy(max_attempts=3, initial_delay=1.0))
    async def in_nested_nurseries(self, undo: str) -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(self.in_a_nursery, undo)

    @handler(retry=RetryPolicy(max_attempts=3, initial_delay=1.0))
    async def in_its_body(self, undo: str) -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(self._book, undo)
            await actors.sleep(1_000)

    @handler(retry=RetryPolicy(max_attempts=3, initial_delay=1.0))
    async def within_a_saga(self, undo: str) -> None:
        try:
            await self.in_a_nursery(undo)
        except CancelledError as cancel:
            await act(f"told of {len(cancel.errors)}")
            raise

    @handler(retry=RetryPolicy(max_attempts=1, on_exhausted="fail", terminal=(ConnectionError,)))
    async def terminal_by_policy(self, undo: str) -> None:
        await self.within_a_saga(undo)

    async def _book(self, undo: str) -> None:
        try:
            await actors.sleep(1_000)
        finally:
            with actors.CancelScope(shield=True):
                await UNDO[undo]()

    async def _book_nothing(self) -> None:
        await actors.signal("never")


class Shop(Service):
    @handler
    async def one_after_the_other(self) -> None:
        try:
            await undo_is_refused()
        except actors.TerminalError:
            await act("undone")
            raise

    @handler
    async def side_by_side(self) -> None:
        try:
            async with actors.open_nursery() as nursery:
                nursery.start_soon(act, "reserved")
                nursery.start_soon(undo_is_refused_by_one_of_many)
        except* (actors.TerminalError, CancelledError):
            await act("undone")
            raise

    @handler
    async def in_a_step(self) -> None:
        await in_nursery_of_trio()

    @handler
    async def two_refusals(self) -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(shielded_refusal)
            nursery.start_soon(shielded_refusal)


async def shielded_refusal() -> None:
    with actors.CancelScope(shield=True):
        await undo_is_refused()


@step
async def in_nursery_of_trio() -> None:
    async def refuse() -> None:
        raise Refused("no refund")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(refuse)


NESTED = ["in_a_nursery", "in_nested_nurseries", "in_its_body"]


async def cancelled(runtime: actors.Runtime, name: str, undo: str) -> InvocationInfo:
    handle: Any = await getattr(runtime.client.service(Trip), name).send(undo)
    await trio.sleep(1)
    await handle.cancel(reason="enough")
    await trio.sleep(100)
    info: InvocationInfo = await handle.info()
    return info


@pytest.mark.parametrize("name", ["flat", *NESTED, "within_a_saga"])
async def test_a_compensation_that_fails_is_tried_again_and_the_cancel_goes_on(name: str) -> None:
    async with Lab(Trip).running() as runtime:
        info = await cancelled(runtime, name, "second try")
    assert info.outcome is not None
    assert (info.outcome.kind, info.outcome.reason, info.outcome.failure) == (OutcomeKind.CANCELLED, "enough", None)
    told = ["told of 0"] if name == "within_a_saga" else []
    assert WORLD.entries == ["undo", "undo", "undone", *told]


@pytest.mark.parametrize("name", ["flat", *NESTED, "within_a_saga"])
async def test_one_that_never_works_pauses_the_invocation_and_says_why(name: str) -> None:
    async with Lab(Trip).running() as runtime:
        info = await cancelled(runtime, name, "never")
    assert (info.status, info.failed_attempts) == (Status.PAUSED, 3)
    assert info.last_failure is not None
    assert "the bank is down for good" in info.last_failure.message
    assert WORLD.entries == ["undo"] * 3


@pytest.mark.parametrize("undo", ["refused", "refused by one of many"])
@pytest.mark.parametrize("name", NESTED)
async def test_one_that_fails_for_good_is_kept_on_the_cancelled_outcome(name: str, undo: str) -> None:
    async with Lab(Trip).running() as runtime:
        info = await cancelled(runtime, name, undo)
        assert info.outcome is not None
        assert (info.outcome.kind, info.outcome.reason) == (OutcomeKind.CANCELLED, "enough")
        assert info.outcome.failure is not None
        assert info.outcome.failure.type.endswith("Refused")
        with raises(actors.InvocationCancelledError, code="cancelled"):
            await runtime.client.invocation(info.id).result()
    assert WORLD.entries == ["asked"]


async def test_the_cancel_is_caught_around_a_nursery_in_which_one_failed_for_good() -> None:
    async with Lab(Trip).running() as runtime:
        info = await cancelled(runtime, "within_a_saga", "refused")
    assert info.outcome is not None
    assert info.outcome.kind is OutcomeKind.CANCELLED
    assert info.outcome.failure is not None
    assert WORLD.entries == ["asked", "told of 1"]


async def test_what_the_handlers_policy_calls_terminal_is_not_tried_again() -> None:
    async with Lab(Trip).running() as runtime:
        info = await cancelled(runtime, "terminal_by_policy", "never")
    assert info.outcome is not None
    assert info.outcome.kind is OutcomeKind.CANCELLED
    assert info.outcome.failure is not None
    assert info.outcome.failure.type == "builtins.ConnectionError"
    assert WORLD.entries == ["undo", "told of 1"]


async def test_a_cancelled_outcome_with_a_failure_survives_a_replay() -> None:
    lab = Lab(Trip)
    async with lab.running() as runtime:
        info = await cancelled(runtime, "within_a_saga", "refused")
        report = await runtime.client.invocation(info.id).check()
        assert report.is_compatible
    async with lab.running() as runtime:
        assert (await runtime.client.invocation(info.id).info()).outcome == info.outcome


@pytest.mark.parametrize("name", ["one_after_the_other", "side_by_side", "in_a_step"])
async def test_the_only_error_of_a_nursery_reaches_the_caller_as_itself(name: str) -> None:
    async with Lab(Shop).running() as runtime:
        with raises(Refused, http_status=402) as caught:
            await getattr(runtime.client.service(Shop), name)()
    assert (str(caught.value), type(caught.value)) == ("no refund", Refused)
    assert ("undone" in WORLD.entries) is (name != "in_a_step")


async def test_several_errors_of_a_nursery_reach_the_caller_as_a_group() -> None:
    async with Lab(Shop).running() as runtime:
        with raises(actors.TerminalError) as caught:
            await runtime.client.service(Shop).two_refusals()
    assert (caught.value.type, str(caught.value).count("Refused: no refund")) == ("builtins.ExceptionGroup", 2)
